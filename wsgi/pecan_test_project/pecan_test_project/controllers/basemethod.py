"""`/basemethod/`: one path, a method of the class for each method of HTTP."""

from typing import Any

from pecan import expose, request
from pecan.decorators import accept_noncanonical


class BaseMethodController:
    """Nothing to GET; a POST is echoed."""

    @accept_noncanonical
    @expose("json", generic=True)
    def index(self) -> dict[str, Any]:
        return {}

    @index.when(method="POST", template="json")
    def index_post(self) -> dict[str, Any]:
        """Return the posted form: name to value, or to the list of values of a name that was sent repeatedly."""
        return {name: _text(value) for name, value in request.POST.mixed().items()}


def _text(value: Any) -> Any:
    """Return a form value as JSON can hold it: an uploaded file by its name."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    return value if isinstance(value, str) else value.filename
