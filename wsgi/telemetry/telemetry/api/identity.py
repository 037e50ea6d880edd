"""The caller: its identity headers, what the policy allows it to do, and whose data it may see."""

from dataclasses import dataclass

import pecan
import webob.exc

from telemetry.api.errors import ProjectNotAuthorizedError
from telemetry.policy import PREFIX, Policy


@dataclass(frozen=True, slots=True)
class Scope:
    """The user and project whose data a caller may see. If both are None, the caller sees everything."""

    user_id: str | None = None
    project_id: str | None = None

    @property
    def limited(self) -> bool:
        """Whether the caller sees only a part of the data."""
        return self.project_id is not None or self.user_id is not None


def _header(name: str) -> str | None:
    value = pecan.request.headers.get(name)
    return str(value) if value else None


def user_id() -> str | None:
    """Return the caller's user."""
    return _header("X-User-Id")


def project_id() -> str | None:
    """Return the caller's project."""
    return _header("X-Project-Id")


def _credentials() -> dict[str, object]:
    roles = (_header("X-Roles") or "").split(",")
    owner = {"user_id": user_id(), "project_id": project_id()}
    return {
        "roles": [role.strip() for role in roles if role.strip()],
        **owner,
        **{f"target.{name}": value for name, value in owner.items()},
    }


def enforce(operation: str) -> None:
    """Raise a 403 unless the policy allows the caller an operation: a rule's name without `telemetry:`."""
    policy: Policy = pecan.request.policy
    if not policy.allows(PREFIX + operation, _credentials(), {"user_id": user_id(), "project_id": project_id()}):
        raise webob.exc.HTTPForbidden(detail="RBAC Authorization Failed")


def scope() -> Scope:
    """Return the limits of the caller. With noauth, a caller without identity headers has none.

    Raises a 403 for a caller who belongs to no project, and may not see all of them: the owner of a token that is
    unscoped, or scoped to a domain or the system.
    """
    policy: Policy = pecan.request.policy
    if policy.allows("segregation", _credentials()):
        return Scope()
    limit = Scope(user_id(), project_id())
    if limit.project_id is None and (limit.user_id is not None or pecan.request.cfg.auth_strategy != "noauth"):
        raise webob.exc.HTTPForbidden(detail="RBAC Authorization Failed: the token belongs to no project")
    return limit


def scope_on_behalf_of(owner: str | None) -> Scope:
    """Return the limits of what an object of the project `owner` may use: its project's, unless it is the caller's."""
    limit = scope()
    if limit.project_id is None and owner != project_id():
        return Scope(project_id=owner)
    return limit


def require_unlimited() -> None:
    """Raise a 401 for a limited caller."""
    limit = scope()
    if limit.project_id is not None:
        raise webob.exc.HTTPUnauthorized(detail=str(ProjectNotAuthorizedError(limit.project_id)))
