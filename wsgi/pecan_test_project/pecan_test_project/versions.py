"""The application at the root of the Paste composite: lists the versions of the API."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from webob import Request, Response
from webob.exc import HTTPMethodNotAllowed, HTTPNotFound


def app_factory(global_conf: dict[str, str]) -> WSGIApplication:
    """Return the application: a `paste.app_factory` without settings."""
    return list_versions


def list_versions(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer GET / with the versions as JSON, other methods with 405 and other paths with 404."""
    return _answer(Request(environ))(environ, start_response)


def _answer(request: Request) -> WSGIApplication:
    answer: WSGIApplication
    if request.environ.get("PATH_INFO", "") not in ("", "/"):
        answer = HTTPNotFound()
    elif request.method not in ("GET", "HEAD"):
        answer = HTTPMethodNotAllowed(headers={"Allow": "GET, HEAD"})
    else:
        version = {
            "id": "v1.0",
            "status": "CURRENT",
            "links": [{"rel": "self", "href": f"{request.application_url}/v1/"}],
        }
        answer = Response(json_body={"versions": [version]}, content_type="application/json")
    return answer
