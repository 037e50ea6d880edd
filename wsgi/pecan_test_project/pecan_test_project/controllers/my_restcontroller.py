"""`/my_restcontroller/ID`: a resource, in Pecan's REST style."""

from pecan import expose
from pecan.rest import RestController


class MyRestController(RestController):
    """Answers GET for one resource with its identifier."""

    @expose(content_type="text/plain")
    def get_one(self, identifier: str) -> str:
        return identifier
