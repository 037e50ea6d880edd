"""`/catalog`: controllers below controllers, found by their attribute names."""

from pecan import expose
from pecan.decorators import accept_noncanonical

from ..model.catalog import bestsellers


class BooksController:
    """`/catalog/books`."""

    @accept_noncanonical
    @expose(content_type="text/plain")
    def index(self) -> str:
        return "Welcome to book section."

    @expose(content_type="text/plain")
    def bestsellers(self) -> str:
        return f"We have {len(bestsellers(10))} books in the top 10."


class CatalogController:
    """`/catalog`."""

    books = BooksController()

    @accept_noncanonical
    @expose(content_type="text/plain")
    def index(self) -> str:
        return "Welcome to the catalog."
