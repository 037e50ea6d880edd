"""The version of the schema of a database, compared with the one that this code needs."""

from collections.abc import Sequence

from telemetry.errors import NoSchemaError, SchemaMismatchError


def require(version: str | None, head: str, known: Sequence[str]) -> None:
    """Raise SchemaMismatchError, which names the command to run, unless `version` is `head`.

    `known` are the versions that this code knows, and None stands for a database without a schema.
    """
    if version == head:
        return
    if version is None:
        raise NoSchemaError("The database has no telemetry schema. Run: telemetry-upgrade")
    if version in known:
        raise SchemaMismatchError(
            f"The database schema is {version}, older than {head}, which this release needs. Run: telemetry-upgrade"
        )
    raise SchemaMismatchError(
        f"The database schema is {version}, newer than {head}, the newest that this release knows. "
        f"Deploy the newer release again, or use its command: telemetry-upgrade --revision {head}"
    )
