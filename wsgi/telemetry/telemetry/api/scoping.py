"""Keeps limited callers to their own project, in simple and in complex queries."""

from telemetry.api.errors import ProjectNotAuthorizedError
from telemetry.api.identity import Scope
from telemetry.api.types.query import Query
from telemetry.query.complex import Language
from telemetry.query.expression import Combination, Comparison, Expression, Membership, Negation


def limited(queries: list[Query] | None, scope: Scope) -> list[Query]:
    """Return the filters and a filter on the caller's project. Raises a 401 for a filter on another project."""
    filters = list(queries or [])
    if scope.project_id is None:
        return filters
    for query in filters:
        if query.field in ("project", "project_id") and query.value != scope.project_id:
            raise ProjectNotAuthorizedError(query.value)
    if not any(query.field == "project_id" for query in filters):
        filters.append(Query(field="project_id", op="eq", value=scope.project_id))
    return filters


def limited_expression(expression: Expression | None, language: Language, scope: Scope) -> Expression | None:
    """Return the expression, limited to the caller's project. Raises a 401 if it names another project."""
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
