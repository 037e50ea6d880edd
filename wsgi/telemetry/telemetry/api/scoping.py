"""Keeps limited callers to their own project, in simple and in complex queries."""

from telemetry.api.errors import ProjectNotAuthorizedError
from telemetry.api.identity import Scope
from telemetry.api.types.query import Query
from telemetry.query.complex import Language
from telemetry.query.expression import Combination, Comparison, Expression, Membership, Negation


def limited(queries: list[Query] | None, scope: Scope) -> list[Query]:
    """Return the filters with the caller's project among them. Raises a 401 for a filter on another project."""
    found = list(queries or [])
    if scope.project_id is None:
        return found
    for query in found:
        if query.field in ("project", "project_id") and query.value != scope.project_id:
            raise ProjectNotAuthorizedError(query.value)
    if not any(query.field == "project_id" for query in found):
        found.append(Query(field="project_id", op="eq", value=scope.project_id))
    return found


def limited_expression(expression: Expression | None, language: Language, scope: Scope) -> Expression | None:
    """Return the expression with the caller's project and-ed to it. Raises a 401 for one that names another."""
    if scope.project_id is None:
        return expression
    own = Comparison(language.visibility, "=", scope.project_id)
    if expression is None:
        return own
    _check(expression, language.visibility, scope.project_id)
    return Combination("and", (own, expression))


def _check(expression: Expression, field: str, own: str) -> None:
    if isinstance(expression, Combination):
        for part in expression.parts:
            _check(part, field, own)
    elif isinstance(expression, Negation):
        _check(expression.part, field, own)
    elif isinstance(expression, Membership):
        if expression.field == field:
            raise ProjectNotAuthorizedError(list(expression.values))
    elif expression.field == field and expression.value != own:
        raise ProjectNotAuthorizedError(expression.value)
