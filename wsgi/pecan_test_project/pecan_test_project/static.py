"""Serves the public files, if the web server in front does not."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from webob.static import DirectoryApp

PREFIX = "/public"


class PublicFiles:
    """Serves the paths below /public from a folder, and passes all others to the wrapped application."""

    def __init__(self, application: WSGIApplication, folder: str) -> None:
        self._application = application
        self._files: WSGIApplication = DirectoryApp(folder, index_page="")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX + "/") or not _is_utf8(path):
            return self._application(environ, start_response)
        # A copy: the error page for a missing file needs the original path.
        shifted = environ | {
            "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + PREFIX,
            "PATH_INFO": path.removeprefix(PREFIX),
        }
        return self._files(shifted, start_response)


def _is_utf8(path: str) -> bool:
    """Tell whether a path of the environ is UTF-8. WebOb's DirectoryApp does not check this; Pecan does."""
    try:
        path.encode("latin-1").decode()
    except UnicodeDecodeError:
        return False
    return True
