"""A read-only resource: the groups of a caller, which follow from the roles of the caller's token.

Each option of its section in the paste file is a group. Its value is the roles whose holders are members.
``GET /`` lists the caller's groups, ``GET /NAME`` shows one. In the pipeline it
has to follow keystonemiddleware's authtoken.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Groups:
    """The WSGI application. ``groups`` has the roles of each group by its name."""

    def __init__(self, groups: Mapping[str, frozenset[str]]) -> None:
        self._groups = groups

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with JSON."""
        status, answer = self._answer(environ)
        body = json.dumps(answer).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("Allow", "GET, HEAD"))
        start_response(f"{status.value} {status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: WSGIEnvironment) -> tuple[HTTPStatus, dict[str, Any]]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "groups can only be read")
        if environ.get("HTTP_X_IDENTITY_STATUS") != "Confirmed":
            return _refusal(HTTPStatus.UNAUTHORIZED, "a token is needed")
        caller_roles = {role.strip() for role in environ.get("HTTP_X_ROLES", "").split(",")}
        own = {name: sorted(roles & caller_roles) for name, roles in self._groups.items() if roles & caller_roles}
        name = environ.get("PATH_INFO", "").strip("/")
        if name and name not in own:
            # The answer does not reveal whether the group exists.
            return _refusal(HTTPStatus.NOT_FOUND, f"you are in no group {name}")
        project = environ.get("HTTP_X_PROJECT_ID")
        if name:
            return HTTPStatus.OK, {"group": {"name": name, "roles": own[name], "project_id": project}}
        return HTTPStatus.OK, {
            "groups": [{"name": group, "roles": roles, "project_id": project} for group, roles in sorted(own.items())]
        }


def _refusal(status: HTTPStatus, message: str) -> tuple[HTTPStatus, dict[str, Any]]:
    return status, {"error": {"code": status.value, "title": status.phrase, "message": message}}


def factory(global_conf: dict[str, str], **groups: str) -> Groups:
    """Return the application for PasteDeploy. Raises ValueError when a group has no roles."""
    if empty := [name for name, roles in groups.items() if not roles.split()]:
        raise ValueError(f"no role makes a member of {', '.join(empty)}; write roles after the group's name")
    return Groups({name: frozenset(roles.split()) for name, roles in groups.items()})
