"""`/look_test/ID/...`: a controller that is made for each request, by `_lookup`."""

from pecan import expose


class LookedUpController:
    """What lies below `/look_test/ID`."""

    def __init__(self, identifier: str) -> None:
        self._identifier = identifier

    @expose(content_type="text/plain")
    def name(self) -> str:
        return self._identifier

    @expose(content_type="text/plain")
    def _default(self, *remainder: str) -> str:
        asked = "/".join(remainder)
        return f"No controller for '{asked}': this is _default of {self._identifier}."


class LookTestController:
    """`/look_test`."""

    @expose()
    def _lookup(self, identifier: str, *remainder: str) -> tuple[LookedUpController, tuple[str, ...]]:
        return LookedUpController(identifier), remainder
