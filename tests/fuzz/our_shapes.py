"""our_shapes - the fields of RawUsage and RatedUsage, as schemas/ has them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).resolve().parent.parent.parent / "schemas"
RECORD_NAMES = {"usageSpecification": "UsageSpecificationRef", "relatedParty": "RelatedParty", "usage": "RawUsage",
                "productRef": "ProductRef", "usageCharacteristic": "UsageCharacteristic",
                "ratedProductUsage": "RatedProductUsage", "taxExcludedRatingAmount": "Money",
                "taxIncludedRatingAmount": "Money", "bucketValueConvertedInAmount": "Money"}


@dataclass(slots=True)
class Field:
    """kind is text, time, truth, enum, decimal, number (a decimal or a double), value, record, array."""

    name: str
    kind: str
    required: bool
    fallback: Any
    parts: tuple["Field", ...] = ()


def schema_of(name: str) -> Any:
    return json.loads((SCHEMAS / f"{name}.avsc").read_text())


def _kind(schema: Any) -> tuple[str, Any]:
    """Of a field's type in our own schema, without its null; and the record in it."""
    if isinstance(schema, list):
        rest = [one for one in schema if one != "null"]
        if len(rest) > 2:
            return "value", None
        return ("number", None) if len(rest) == 2 else _kind(rest[0])
    if schema == "string":
        return "text", None
    if schema == "boolean":
        return "truth", None
    if schema["type"] == "array":
        return "array", schema["items"]
    return {"long": "time", "bytes": "decimal", "enum": "enum", "record": "record"}[schema["type"]], schema


def _fields(record: dict, known: dict) -> tuple[Field, ...]:
    """The fields of one of our records; `known` has the named types seen so far."""
    made = []
    for one in record["fields"]:
        schema = one["type"]
        if isinstance(schema, list):
            schema = [known.get(part, part) if isinstance(part, str) else part for part in schema]
        elif isinstance(schema, str):
            schema = known.get(schema, schema)
        kind, inner = _kind(schema)
        if inner and "name" in inner:
            known[inner["name"]] = inner
        parts = _fields(inner, known) if kind in ("record", "array") else ()
        fallback = one.get("default") if kind in ("text", "enum") else None
        made.append(Field(one["name"], kind, "default" not in one, fallback, parts))
    return tuple(made)


SHAPES = {name: _fields(schema_of(name), {}) for name in ("RawUsage", "RatedUsage")}
