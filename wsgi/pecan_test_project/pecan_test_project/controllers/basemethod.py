"""`/basemethod/`: one path, with a method of the class for each HTTP method."""

from typing import Any

from pecan import expose, request
from pecan.decorators import accept_noncanonical


class BaseMethodController:
    """Answers GET with an empty object, and POST with the posted form."""

    @accept_noncanonical
    @expose("json", generic=True)
    def index(self) -> dict[str, Any]:
        return {}

    @index.when(method="POST", template="json")
    def index_post(self) -> dict[str, Any]:
        """Return the posted form: name to value, or to the list of values of a name that was sent repeatedly."""
        return {name: _text(value) for name, value in request.POST.mixed().items()}


def _text(value: Any) -> Any:
    """Return a form value for JSON. An uploaded file is represented by its name."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    return value if isinstance(value, str) else value.filename
