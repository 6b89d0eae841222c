"""avro - Avro binary of a record under any schema, for tests in which the schema is what varies.

fastavro wants its data in the schema's form and refuses schemas that a careless writer may well have (a decimal without
`precision`). Here the schema leads: each of its fields finds its value in the record by name, and what the record does
not have gets some value of the right type.

    encode(schema, record)                            fields by name
    encode(schema, record, {"cdrId": "recordId"})     ... of which some are called otherwise in the record
"""

import struct
from decimal import Decimal
from typing import Any, Mapping, Optional

from .records import Json

_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_ABSENT: Any = object()


def encode(schema: Any, record: Any, called: Optional[Mapping[str, str]] = None) -> bytes:
    """Strings may be given as bytes: what stands there is then written as it is, UTF-8 or not."""
    return b"".join(_Encoder(called or {}).parts(schema, record, ""))


def varint(number: int) -> bytes:
    """An Avro int or long."""
    left = number << 1 if number >= 0 else (-number << 1) - 1
    made = bytearray()
    while left > 0x7F:
        made.append(left & 0x7F | 0x80)
        left >>= 7
    made.append(left)
    return bytes(made)


def full_name(schema: Mapping[str, Any], space: str) -> str:
    name = schema["name"]
    space = schema.get("namespace", space)
    return name if "." in name or not space else f"{space}.{name}"


def unscaled(value: Decimal, schema: Mapping[str, Any]) -> int:
    """What stands for the value in a decimal of this schema; it must fit."""
    sign, digits, exponent = value.as_tuple()
    shift = exponent + schema.get("scale", 0)
    whole = int("".join(map(str, digits)) or "0")
    scaled, rest = (whole * 10**shift, 0) if shift >= 0 else divmod(whole, 10**-shift)
    assert rest == 0, f"{value} has more places than {schema}"
    return -scaled if sign else scaled


class _Encoder:
    def __init__(self, called: Mapping[str, str]):
        self._called = called
        self._named: dict[str, Any] = {}

    def parts(self, schema: Any, value: Any, space: str) -> list[bytes]:
        if isinstance(schema, list):
            index = self._branch(schema, value, space)
            self._meet(schema[:index], space)
            made = self.parts(schema[index], value, space)
            self._meet(schema[index + 1:], space)
            return [varint(index), *made]
        if isinstance(schema, str) and schema not in _PRIMITIVES:
            schema, space = self._named[schema if "." in schema or not space else f"{space}.{schema}"]
        kind = schema if isinstance(schema, str) else schema["type"]
        if not isinstance(kind, str):
            return self.parts(kind, value, space)
        if kind not in _PRIMITIVES and kind not in ("array", "map"):
            name = full_name(schema, space)
            self._named[name] = schema, space
            space = name.rpartition(".")[0]
        return getattr(self, "_" + kind, self._scalar)(schema, value, space)

    def _meet(self, schemas: list, space: str) -> None:
        """Types that are defined in a branch which is not taken may be used further on."""
        for one in schemas:
            if isinstance(one, dict):
                for part in _nested(one):
                    self._meet([part], full_name(one, space).rpartition(".")[0] if "name" in one else space)
                if "name" in one:
                    self._named.setdefault(full_name(one, space), (one, space))
            elif isinstance(one, list):
                self._meet(one, space)

    def _record(self, schema: Any, value: Any, space: str) -> list[bytes]:
        if isinstance(value, Json):
            value = {"json": str(value)}
        made = []
        for field in schema["fields"]:
            name = self._called.get(field["name"], field["name"])
            made += self.parts(field["type"], value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT, space)
        return made

    def _array(self, schema: Any, value: Any, space: str) -> list[bytes]:
        return self._blocks([self.parts(schema["items"], one, space) for one in _listed(value)])

    def _map(self, schema: Any, value: Any, space: str) -> list[bytes]:
        pairs = value.items() if isinstance(value, dict) else (("k", _ABSENT), ("", _ABSENT), ("键", _ABSENT))
        return self._blocks([[_text(key), *self.parts(schema["values"], one, space)] for key, one in pairs])

    @staticmethod
    def _blocks(items: list[list[bytes]]) -> list[bytes]:
        """The first item in a block that says how long it is, the others in one that does not."""
        made = []
        if items:
            first = b"".join(items[0])
            made += [varint(-1), varint(len(first)), first]
        if len(items) > 1:
            made += [varint(len(items) - 1), *(part for one in items[1:] for part in one)]
        return [*made, b"\0"]

    def _fixed(self, schema: Any, value: Any, _space: str) -> list[bytes]:
        size = schema["size"]
        if isinstance(value, Decimal):
            return [unscaled(value, schema).to_bytes(size, "big", signed=True)]
        return [b"\xff" * size]

    @staticmethod
    def _enum(schema: Any, value: Any, _space: str) -> list[bytes]:
        return [varint(0 if value is _ABSENT else schema["symbols"].index(value))]

    @staticmethod
    def _scalar(schema: Any, value: Any, _space: str) -> list[bytes]:
        kind = schema if isinstance(schema, str) else schema["type"]
        absent = value is _ABSENT or value is None
        if kind == "null":
            return []
        if kind == "boolean":
            return [bytes([0 if absent else bool(value)])]
        if kind in ("int", "long"):
            micros = isinstance(schema, dict) and schema.get("logicalType") == "timestamp-micros"
            return [varint(-7 if absent else value * 1000 + 999 if micros else int(value))]
        if kind in ("float", "double"):
            return [struct.pack("<f" if kind == "float" else "<d", 0.5 if absent else value)]
        if isinstance(value, Decimal):
            whole = unscaled(value, schema)
            raw = whole.to_bytes(whole.bit_length() // 8 + 1, "big", signed=True)
            return [varint(len(raw)), raw]
        return [_text("" if absent else value)]

    def _branch(self, union: list, value: Any, space: str) -> int:
        """The first branch that can hold the value; nothing in particular goes into the last one."""
        if value is _ABSENT:
            return union.index("null") if "null" in union else len(union) - 1
        for index, branch in enumerate(union):
            if self._fits(branch, value, space):
                return index
        raise ValueError(f"{value!r} is in no branch of {union}")

    def _fits(self, branch: Any, value: Any, space: str) -> bool:
        if isinstance(branch, str) and branch not in _PRIMITIVES:
            branch = self._named[branch if "." in branch or not space else f"{space}.{branch}"][0]
        kind = branch if isinstance(branch, str) else branch["type"]
        is_decimal = isinstance(branch, dict) and branch.get("logicalType") == "decimal"
        if isinstance(value, Json):
            return kind == "record" and any(field["name"] in ("json", *self._called) for field in branch["fields"])
        if isinstance(value, Decimal):
            return is_decimal
        if isinstance(value, str):
            return kind == "string" or kind == "bytes" and not is_decimal or (
                kind == "enum" and value in branch["symbols"])
        if isinstance(value, bool) or value is None:
            return kind == ("null" if value is None else "boolean")
        if isinstance(value, int):
            return kind == "long" or kind == "int" and -2**31 <= value < 2**31
        wanted = {float: ("float", "double"), dict: ("record",), list: ("array",), bytes: ("string", "bytes")}
        return kind in wanted[type(value)]


def _nested(schema: Mapping[str, Any]) -> list:
    parts = [field["type"] for field in schema.get("fields", ())]
    return parts + [schema[key] for key in ("items", "values") if key in schema] + (
        [schema["type"]] if not isinstance(schema.get("type"), str) else [])


def _listed(value: Any) -> list:
    return [_ABSENT] * 3 if value is _ABSENT or value is None else value


def _text(value: Any) -> bytes:
    raw = value if isinstance(value, bytes) else value.encode()
    return varint(len(raw)) + raw
