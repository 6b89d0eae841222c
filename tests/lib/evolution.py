"""evolution - the differences that a writer's schema may have from ours, each as a function from schema to schema.

`Variant` is a Writer (schemas.py) whose record follows from the schema alone: what the schema has no field for, the
record does not say.
"""

import copy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Callable, Mapping

from . import avro
from .records import Record

Change = Callable[[dict], dict]

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")

# What our schemas call for when a writer lacks the field.
_DEFAULTS = {"RawUsage": {"status": "received"}, "RatedUsage": {"status": "rated", "ratedProductUsage": []},
             "RelatedParty": {"referredType": "Customer"}}


@dataclass
class Variant:
    """`called`: what the writer's names of fields are in the record."""

    name: str
    schema: dict
    called: Mapping[str, str] = field(default_factory=dict)

    def carries(self, record: Record) -> Record:
        return _said(self.schema, record, self.called, {})

    def encode(self, carried: Record) -> bytes:
        return avro.encode(self.schema, carried, self.called)


def _said(schema: Any, value: Any, called: Mapping[str, str], named: dict[str, Any]) -> Any:
    """The part of the value that the schema has fields for, with the defaults of ours for the rest."""
    if isinstance(schema, list):
        for branch in schema:
            value = _said(branch, value, called, named)
        return value
    if isinstance(schema, str):
        schema = named.get(schema.rpartition(".")[2], schema)
    if isinstance(schema, str):
        return value
    kind = schema["type"]
    if not isinstance(kind, str):
        return _said(kind, value, called, named)
    if isinstance(value, Decimal) and schema.get("logicalType") == "decimal":
        whole = avro.unscaled(value, schema)
        return Decimal((int(whole < 0), tuple(map(int, str(abs(whole)))), -schema.get("scale", 0)))
    if kind in ("record", "enum", "fixed"):
        named[schema["name"].rpartition(".")[2]] = schema
    if kind == "array" and isinstance(value, list):
        return [_said(schema["items"], one, called, named) for one in value]
    if kind != "record" or not isinstance(value, dict):
        return value
    made = {}
    for one in schema["fields"]:
        name = called.get(one["name"], one["name"])
        inner = _said(one["type"], value.get(name), called, named)
        if inner is not None:
            made[name] = inner
    return {**_default(value), **made}


def _default(value: Record) -> dict:
    kind = ("RawUsage" if "usageType" in value else "RatedUsage" if "ratedProductUsage" in value else
            "RelatedParty" if "role" in value else "")
    return _DEFAULTS.get(kind, {})


# ---- going through a schema ------------------------------------------------------------------------------------

def everywhere(schema: Any, of_type: Callable[[Any], Any] = lambda one: one,
               of_fields: Callable[[list], list] = lambda fields: fields) -> Any:
    """A copy with `of_type` applied to each type, inner ones first, and `of_fields` to the fields of each record."""
    if isinstance(schema, list):
        return of_type([everywhere(one, of_type, of_fields) for one in schema])
    if isinstance(schema, str):
        return of_type(schema)
    made = dict(schema)
    for key in ("items", "values"):
        if key in made:
            made[key] = everywhere(made[key], of_type, of_fields)
    if not isinstance(made["type"], str):
        made["type"] = everywhere(made["type"], of_type, of_fields)
    if "fields" in made:
        made["fields"] = of_fields([{**one, "type": everywhere(one["type"], of_type, of_fields)}
                                    for one in made["fields"]])
    return of_type(made)


def in_fields(change: Callable[[dict], dict]) -> Change:
    """`change` applied to each field of each record."""
    return lambda schema: everywhere(schema, of_fields=lambda fields: [change(one) for one in fields])


def defined_first(schema: Any) -> Any:
    """Moves the definition of each named type to the first place where the type is used."""
    definitions: dict[str, Any] = {}

    def collect(one: Any) -> Any:
        if isinstance(one, dict) and "name" in one:
            definitions.setdefault(one["name"], one)
        return one

    everywhere(schema, collect)
    met: set[str] = set()

    def lay(one: Any) -> Any:
        if isinstance(one, list):
            return [lay(branch) for branch in one]
        name = one if isinstance(one, str) else one.get("name")
        if name in definitions:
            if name in met:
                return name
            met.add(name)
            one = definitions[name]
        if isinstance(one, str):
            return one
        made = dict(one)
        for key in ("items", "values"):
            if key in made:
                made[key] = lay(made[key])
        if not isinstance(made["type"], str):
            made["type"] = lay(made["type"])
        if "fields" in made:
            made["fields"] = [{**field_, "type": lay(field_["type"])} for field_ in made["fields"]]
        return made

    return lay(copy.deepcopy(schema))


# ---- differences that are allowed --------------------------------------------------------------------------------

def fields_turned_round(schema: dict) -> dict:
    return defined_first(everywhere(schema, of_fields=lambda fields: fields[::-1]))


def unions_turned_round(schema: dict) -> dict:
    return everywhere(_without_defaults(schema), lambda one: one[::-1] if isinstance(one, list) else one)


def everything_nullable(schema: dict) -> dict:
    return in_fields(lambda one: one if isinstance(one["type"], list) else {
        **one, "type": ["null", one["type"]]})(_without_defaults(schema))


def items_nullable(schema: dict) -> dict:
    return everywhere(schema, lambda one: {**one, "items": ["null", one["items"]]}
                      if isinstance(one, dict) and one["type"] == "array" else one)


def nothing_nullable(schema: dict) -> dict:
    return everywhere(_without_defaults(schema), lambda one: next(branch for branch in one if branch != "null")
                      if isinstance(one, list) and len(one) == 2 and "null" in one else one)


def unions_of_one(schema: dict) -> dict:
    return in_fields(lambda one: one if isinstance(one["type"], list) else {**one, "type": [one["type"]]})(
        _without_defaults(schema))


def _without_defaults(schema: dict) -> dict:
    return in_fields(lambda one: {key: value for key, value in one.items() if key != "default"})(schema)


def own_namespace(schema: dict) -> dict:
    return {**schema, "namespace": "com.example.mediation.v7"}


def namespace_in_names(schema: dict) -> dict:
    """Each named type in a namespace of its own, and used by its full name."""
    names = set(_named_types(schema))

    def change(one: Any) -> Any:
        if isinstance(one, str):
            return f"org.{one.lower()}.{one}" if one in names else one
        if isinstance(one, dict) and "name" in one:
            return {**{key: value for key, value in one.items() if key != "namespace"},
                    "name": f"org.{one['name'].lower()}.{one['name']}"}
        return one

    return everywhere(schema, change)


def _named_types(schema: dict) -> list[str]:
    found: list[str] = []

    def collect(one: Any) -> Any:
        if isinstance(one, dict) and "name" in one:
            found.append(one["name"])
        return one

    everywhere(schema, collect)
    return found


def types_with_aliases(schema: dict) -> dict:
    """Other names for all named types, ours as aliases, one of them with a namespace."""
    names = set(_named_types(schema))
    first = schema["name"]

    def change(one: Any) -> Any:
        if isinstance(one, str):
            return f"My{one}" if one in names else one
        if isinstance(one, dict) and "name" in one:
            alias = f"usaged.v1.{one['name']}" if one["name"] == first else one["name"]
            return {**one, "name": f"My{one['name']}" if one["name"] != "Json" else "Structure",
                    "aliases": ["Older", alias]}
        return one

    made = everywhere(schema, change)
    return everywhere(made, lambda one: "Structure" if one == "MyJson" else one)


def fields_with_aliases(schema: dict) -> dict:
    return in_fields(lambda one: {**one, "name": f"my_{one['name']}", "aliases": ["older", one["name"]]})(schema)


def called_with_aliases(schema: dict) -> dict[str, str]:
    """The names that `fields_with_aliases` gave."""
    names: list[str] = []
    everywhere(schema, of_fields=lambda fields: names.extend(one["name"] for one in fields) or fields)
    return {f"my_{name}": name for name in names}


def strings_as_bytes(schema: dict) -> dict:
    """All but a value's: there bytes stand for a decimal, and only one branch of a union may be bytes."""
    def change(one: dict) -> dict:
        kind = one["type"]
        if kind == "string":
            return {**one, "type": "bytes"}
        if isinstance(kind, list) and len(kind) == 2 and "string" in kind:
            return {**one, "type": ["bytes" if branch == "string" else branch for branch in kind]}
        return one
    return in_fields(change)(_without_defaults(schema))


def types_as_objects(schema: dict) -> dict:
    return everywhere(schema, lambda one: {"type": one} if one in PRIMITIVES else one)


def properties_of_a_registry(schema: dict) -> dict:
    """What Connect, Java and generators add, and logical types that nobody knows."""
    def change(one: Any) -> Any:
        if one == "string":
            return {"type": "string", "avro.java.string": "String", "logicalType": "iban"}
        if isinstance(one, str) and one in PRIMITIVES:
            return {"type": one, "connect.doc": "", "connect.version": 1}
        if isinstance(one, dict):
            return {**one, "connect.name": "com.example.Thing", "connect.parameters": {"a": "1"}, "sqlCode": None}
        return one
    made = in_fields(lambda one: {**one, "doc": "note", "order": "ignore", "connect.default": {"x": [1]}})(schema)
    return everywhere(made, change)


def _decimals(change: Callable[[dict], dict]) -> Change:
    return lambda schema: everywhere(schema, lambda one: change(one) if isinstance(one, dict) and one.get(
        "logicalType") == "decimal" else one)


def decimals(**properties: Any) -> Change:
    """Their properties replaced; one that is None is left out."""
    return _decimals(lambda one: {key: value for key, value in {**one, **properties}.items() if value is not None})


def decimals_fixed(size: int) -> Change:
    """Each a `fixed` of its own name."""
    count = iter(range(10_000))
    return lambda schema: _decimals(lambda one: {**one, "type": "fixed", "name": f"Amount{next(count)}", "size": size})(
        schema)


def enums_as(change: Callable[[list[str]], list[str]]) -> Change:
    return lambda schema: everywhere(schema, lambda one: {**one, "symbols": change(one["symbols"])} if isinstance(
        one, dict) and one["type"] == "enum" else one)


def status_as(kind: Any) -> Change:
    return in_fields(lambda one: {"name": "status", "type": kind} if one["name"] == "status" else one)


def dates_as(kind: Any) -> Change:
    """All times, nullable or not."""
    def change(one: Any) -> Any:
        return kind if isinstance(one, dict) and one.get("logicalType") == "timestamp-millis" else one
    return lambda schema: everywhere(schema, change)


def typed(name: str, kind: Any) -> Change:
    """All fields of that name have another type."""
    change = in_fields(lambda one: {"name": name, "type": kind} if one["name"] == name else one)
    return lambda schema: defined_first_of(schema, change)


def without(path: str) -> Change:
    """The field with the name behind the last point is missing in the record type before it."""
    holder, _, name = path.rpartition(".")

    def change(one: Any) -> Any:
        if isinstance(one, dict) and one.get("name") == holder and "fields" in one:
            return {**one, "fields": [inner for inner in one["fields"] if inner["name"] != name]}
        return one

    return lambda schema: defined_first_of(schema, lambda whole: everywhere(whole, change))


def defined_first_of(schema: dict, change: Change) -> dict:
    """`change`, though it may take away the place where a type is defined."""
    definitions: dict[str, Any] = {}

    def collect(one: Any) -> Any:
        if isinstance(one, dict) and "name" in one:
            definitions[one["name"]] = one
        return one

    everywhere(schema, collect)
    made = change(schema)
    defined = set(_named_types(made))

    def define(one: Any) -> Any:
        if isinstance(one, str) and one in definitions and one not in defined:
            defined.add(one)
            return definitions[one]
        return one

    return everywhere(made, define)


def with_extra(kind: Any, default: Any = None, times: int = 2) -> Change:
    """A field of this type in front, in the middle and behind in every record; named types get names of their own."""
    count = iter(range(10_000))

    def fresh() -> Any:
        number = next(count)
        return everywhere(copy.deepcopy(kind), lambda one: {**one, "name": f"{one['name']}{number}"} if isinstance(
            one, dict) and "name" in one else one)

    def extra() -> dict:
        made = {"name": f"extra{next(count)}", "type": fresh()}
        return made if default is None else {**made, "default": default}

    def change(fields: list) -> list:
        middle = len(fields) // 2
        return [extra(), *fields[:middle], *(extra() for _ in range(times - 1)), *fields[middle:], extra()]

    return lambda schema: everywhere(schema, of_fields=change)


_POINT = {"type": "record", "name": "Point", "fields": [{"name": "x", "type": "float"},
                                                        {"name": "note", "type": ["null", "string"]}]}

# A type of each kind that Avro has, as a field that we skip.
EXTRA_TYPES: dict[str, Any] = {
    **{kind: kind for kind in PRIMITIVES},
    "fixed": {"type": "fixed", "name": "Mac", "size": 6},
    "fixed of nothing": {"type": "fixed", "name": "Nothing", "size": 0},
    "enum": {"type": "enum", "name": "Quality", "symbols": ["GOOD", "POOR"]},
    "array": {"type": "array", "items": "long"},
    "array of nothing": {"type": "array", "items": "null"},
    "map": {"type": "map", "values": "double"},
    "record": _POINT,
    "record without fields": {"type": "record", "name": "Empty", "fields": []},
    "union": ["string", "int", _POINT],
    "nullable union": ["null", "string", {"type": "array", "items": "int"}],
    "decimal": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 3},
    "duration": {"type": "fixed", "name": "Took", "size": 12, "logicalType": "duration"},
    "date": {"type": "int", "logicalType": "date"},
    "nested": {"type": "map", "values": {"type": "array", "items": {"type": "map", "values": ["int", {
        "type": "record", "name": "Leaf", "fields": [
            {"name": "points", "type": {"type": "array", "items": _POINT}},
            {"name": "by", "type": {"type": "map", "values": {"type": "array", "items": "bytes"}}}]}]}}},
}

