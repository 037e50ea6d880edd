"""WSME types as JSON schemas."""

import wsme.types

from telemetry.api.types.base import Timestamp
from telemetry.api.types.events import JsonObject

Schema = dict[str, object]
PLAIN: dict[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}


class Schemas:
    """Collects the schemas of named types under #/components/schemas."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def of(self, datatype: object) -> Schema:
        """Return the schema of a type, or a reference to a named type. Raises TypeError for a type without schema."""
        if datatype in PLAIN:
            return dict(PLAIN[datatype])
        if isinstance(datatype, Timestamp):
            return {"type": "string", "format": "date-time", "description": "UTC, without a zone"}
        if isinstance(datatype, JsonObject):
            return {"type": "object"}
        if isinstance(datatype, wsme.types.Enum):
            return {**self.of(datatype.basetype), "enum": sorted(datatype.values)}
        if isinstance(datatype, wsme.types.IntegerType):
            limits = {"minimum": datatype.minimum, "maximum": datatype.maximum}
            return {"type": "integer", **{name: value for name, value in limits.items() if value is not None}}
        if isinstance(datatype, wsme.types.UserType):
            return self.of(datatype.basetype)
        if isinstance(datatype, wsme.types.ArrayType):
            return {"type": "array", "items": self.of(datatype.item_type)}
        if isinstance(datatype, wsme.types.DictType):
            return {"type": "object", "additionalProperties": _or_null(self.of(datatype.value_type))}
        if wsme.types.iscomplex(datatype):
            return self._named(datatype)
        raise TypeError(f"{datatype!r} has no schema")

    def _named(self, datatype: object) -> Schema:
        name = str(getattr(datatype, "__name__"))  # noqa: B009
        if name not in self.components:
            # The entry exists before its members are read, so that a type may contain itself.
            self.components[name] = {}
            members = wsme.types.list_attributes(datatype)
            self.components[name] = {
                "type": "object",
                "description": (datatype.__doc__ or "").split("\n", 1)[0],
                "properties": {
                    member.name: self.of(member.datatype) if member.mandatory else _or_null(self.of(member.datatype))
                    for member in members
                },
                "required": [member.name for member in members if member.mandatory],
                "additionalProperties": False,
            }
        return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    schema = {**schema, "type": [schema["type"], "null"]}
    if isinstance(schema.get("enum"), list):
        schema["enum"] = [*schema["enum"], None]  # type: ignore[misc]
    return schema
