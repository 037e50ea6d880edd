"""The controller of `/`, from which Pecan walks to all others."""

from typing import Any
from urllib.parse import urlencode

from pecan import abort, expose, redirect
from pecan.decorators import accept_noncanonical
from webob.exc import status_map

from .basemethod import BaseMethodController
from .catalog import CatalogController
from .look_test import LookTestController
from .my_restcontroller import MyRestController

DOCUMENTATION_SEARCH = "https://pecan.readthedocs.io/en/latest/search.html"


class RootController:
    """The index page, the error pages, and the controllers below."""

    basemethod = BaseMethodController()
    catalog = CatalogController()
    look_test = LookTestController()
    my_restcontroller = MyRestController()

    @accept_noncanonical
    @expose("index.html", generic=True)
    def index(self) -> dict[str, Any]:
        return {}

    @index.when(method="POST")
    def index_post(self, q: str | list[str] = "") -> None:
        """Send the browser to Pecan's documentation, to search it for `q`."""
        redirect(f"{DOCUMENTATION_SEARCH}?{urlencode({'q': q}, doseq=True)}")

    @expose(content_type="text/plain")
    def boom(self) -> None:
        """Raise an exception on purpose, to show the answer and the log of an unhandled exception."""
        raise RuntimeError("raised deliberately by /boom")

    @expose("error.html")
    @expose("json")
    def error(self, status: str) -> Any:
        """Render the page of an HTTP error; the setting `errors` of the application names this path."""
        error = status_map.get(int(status)) if status.isascii() and status.isdecimal() else None
        if error is None or error.code < 400:
            return abort(404)
        return {"status": error.code, "title": error.title, "message": error.explanation}
