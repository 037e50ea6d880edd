"""`/look_test/ID/...`: `_lookup` makes a controller for each request."""

from pecan import expose


class LookedUpController:
    """The paths below `/look_test/ID`."""

    def __init__(self, identifier: str) -> None:
        self._identifier = identifier

    @expose(content_type="text/plain")
    def name(self) -> str:
        return self._identifier

    @expose(content_type="text/plain")
    def _default(self, *remainder: str) -> str:
        path = "/".join(remainder)
        return f"No controller for '{path}': this is _default of {self._identifier}."


class LookTestController:
    """`/look_test`."""

    @expose()
    def _lookup(self, identifier: str, *remainder: str) -> tuple[LookedUpController, tuple[str, ...]]:
        return LookedUpController(identifier), remainder
