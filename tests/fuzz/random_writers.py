"""random_writers - random writers' schemas of RawUsage and RatedUsage, and records under them.

Each schema differs from ours in what the wire contract allows: order, extra fields of every Avro type, missing ones
with a default, aliases, promotions, unions in any order or none, enums, decimals of any scale, micros and bare longs.

A type is a Node: its JSON for us (`ours`) and for fastavro (`theirs`), what to write for a value that is wanted
(`write`), and what the value means that fastavro has read (`read`). What is written may be another value than the
wanted one, where the type cannot hold it: what fastavro reads is what counts.

Two faults of fastavro are gone round here. It rounds a decimal to its precision, and a date past year 9999 is an
error: such types have no logicalType in `theirs`, and `read` does its work. It names a union's branch by a tuple.
"""

import random
import struct
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Callable, Optional

from lib.expect import millis
from lib.records import Json
from our_shapes import RECORD_NAMES, SHAPES, Field
from random_values import JSON, STATUSES, Values

WIDE = "more digits than we hold"


@dataclass(slots=True)
class Node:
    ours: Any
    theirs: Any
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    branch: str = ""  # its name in a union
    takes: Callable[[Any], bool] = lambda value: True  # whether it can hold a wanted value


class Writer:
    """One random schema of the record `shape`. `standard`: named types have our names, as Avro's own rules want it."""

    def __init__(self, seed: int, shape: str):
        self.dice = random.Random(seed)
        self._values = Values(self.dice)
        self.standard = self.dice.random() < 0.6
        self.shape = shape
        self._names = 0
        self._made: dict[str, Node] = {}
        space = self.dice.choice((None, "a", "com.example.v3"))
        aliased = not self.standard and self.dice.random() < 0.3
        self._space = space
        head: dict = {"type": "record", "name": "Any" if aliased else shape}
        if space:
            head["namespace"] = space
        if aliased:
            head["aliases"] = [shape]
        self._root = self._record(SHAPES[shape], head)
        self.ours, self.theirs = self._root.ours, self._root.theirs

    def draw(self) -> dict:
        """What fastavro is to write: a new record."""
        wanted = self._values.raw() if self.shape == "RawUsage" else self._values.rated()
        return self._root.write(wanted)

    def read(self, datum: dict) -> dict:
        """The values of our fields in what fastavro has read, defaults filled in."""
        return self._root.read(datum)

    # ---- types of our fields ----

    def _name(self, standard: Optional[str] = None) -> str:
        self._names += 1
        return standard if standard and self.standard else f"N{self._names}"

    def _once(self, name: str, make: Callable[[], Node]) -> Node:
        """A named type that may stand in several places: defined at the first, named at the others."""
        known = self._made.get(name)
        if known is None:
            self._made[name] = made = make()
            return made
        return Node(name, name, known.write, known.read, known.branch, known.takes)

    def _full(self, name: str) -> str:
        """As fastavro names a branch: no named type here has a namespace of its own."""
        return f"{self._space}.{name}" if self._space else name

    def _record(self, fields: tuple[Field, ...], head: dict) -> Node:
        members, order = [], list(fields)
        self.dice.shuffle(order)
        ours: list = []
        theirs: list = []
        extras = []
        for one in order:
            while self.dice.random() < 0.15:
                extra, draw = self._any(0)
                name = f"extra{len(extras)}"
                extras.append((name, draw))
                ours.append({"name": name, "type": extra})
                theirs.append({"name": name, "type": extra})
            if not one.required and self.dice.random() < 0.15:
                continue
            node = self._type(one)
            member = {"name": one.name}
            if not self.standard and self.dice.random() < 0.1:
                member = {"name": f"their_{one.name}", "aliases": ["x.y", one.name]}
            members.append((one, member["name"], node))
            ours.append({**member, "type": node.ours})
            theirs.append({**member, "type": node.theirs})
        absent = {one.name: _default(one) for one in fields if one.name not in {field.name for field, _, _ in members}}

        def write(value: Any) -> dict:
            value = value if isinstance(value, dict) else {}
            made = {name: node.write(value.get(field.name)) for field, name, node in members}
            for name, draw in extras:
                made[name] = draw()
            return made

        def read(datum: dict) -> dict:
            made = {}
            for field, name, node in members:
                found = node.read(datum[name])
                made[field.name] = _default(field) if found is None else found
            return {**made, **absent}

        return Node({**head, "fields": ours}, {**head, "fields": theirs}, write, read, self._full(head["name"]),
                    lambda value: isinstance(value, dict))

    def _type(self, field: Field) -> Node:
        kinds = getattr(self, f"_{field.kind}_types")(field)
        plain = self.dice.random() < (0.5 if field.required else 0.25)
        if plain:
            return self.dice.choice(kinds)()
        picked: list[Node] = []
        for make in kinds:
            if len(picked) == 0 or self.dice.random() < 0.4:
                node = make()
                if node.branch not in {one.branch for one in picked}:
                    picked.append(node)
        null = Node("null", "null", lambda value: None, lambda datum: None, "null", lambda value: value is None)
        if not field.required or self.dice.random() < 0.2:
            picked.append(null)
        self.dice.shuffle(picked)
        return self._union(picked)

    def _union(self, nodes: list[Node]) -> Node:
        """What was read has lost its branch: its type in Python says it; a union has one kind of bytes only."""
        by_type: dict = {}
        for node in nodes:
            schema = self._made[node.ours].ours if isinstance(node.ours, str) and node.ours in self._made else node.ours
            for kind in _PYTHON[schema["type"] if isinstance(schema, dict) else schema]:
                by_type.setdefault(kind, node)

        def write(value: Any) -> Any:
            fit = [node for node in nodes if node.takes(value)]
            node = self.dice.choice(fit or nodes)
            return None if node.branch == "null" else (node.branch, node.write(value))

        return Node([node.ours for node in nodes], [node.theirs for node in nodes], write,
                    lambda datum: by_type[type(datum)].read(datum))

    def _text_types(self, field: Field) -> list:
        dice = self.dice

        def text(value: Any) -> str:
            if isinstance(value, str):
                return value
            return self._values.word() if field.required or dice.random() < 0.2 else ""

        def symbols() -> Node:
            name = self._name()
            known = ["A", "B2", "_c", "VOICE", "SMS"][:dice.randrange(1, 6)]
            schema = {"type": "enum", "name": name, "symbols": known}
            return Node(schema, schema, lambda value: dice.choice(known), _same, self._full(name))

        # All that is text is one kind: in one union fastavro would give str for each, and so do we.
        return [lambda: Node(self._extra("string"), "string", text, _same, "string", _is_text),
                lambda: Node("bytes", "bytes", lambda value: text(value).encode(), lambda datum: datum.decode(),
                             "bytes", _is_text),
                *([] if self.standard else [symbols])]

    def _extra(self, name: str) -> Any:
        """Properties that Avro does not know, or a type inside a type: both mean the plain one."""
        return self.dice.choice((name, name, {"type": name}, {"type": name, "avro.java.string": "String", "x": [1]}))

    def _time_types(self, field: Field) -> list:
        dice = self.dice
        micros, bare = dice.random() < 0.3, dice.random() < 0.3
        unit = "micros" if micros else "millis"
        kept = self.standard or dice.random() < 0.5
        scale = 1000 if micros and not bare else 1

        def write(value: Any) -> int:
            wanted = value if isinstance(value, int) else self._values.date()
            if not kept and dice.random() < 0.01:
                wanted = dice.choice((0, -1, -62135596800001, 253402300800000, 2**52))
            return wanted * scale + (dice.randrange(scale) if scale > 1 else 0)

        def read(datum: Any) -> int:
            return millis(datum) if isinstance(datum, datetime) else datum // scale

        schema: Any = "long" if bare else {"type": "long", "logicalType": f"timestamp-{unit}"}
        theirs = schema if kept else "long"
        if not field.required and dice.random() < 0.1:
            return [lambda: Node("int", "int", lambda value: dice.randrange(-2**31, 2**31), _same, "int")]
        return [lambda: Node(schema, theirs, write, read, "long", lambda value: isinstance(value, int))]

    def _truth_types(self, field: Field) -> list:
        def write(value: Any) -> bool:
            return self.dice.random() < 0.5 if value is None else bool(value)

        return [lambda: Node("boolean", "boolean", write, _same, "boolean", lambda value: isinstance(value, bool))]

    def _enum_types(self, field: Field) -> list:
        dice = self.dice

        def status() -> Node:
            known = dice.sample(STATUSES, dice.randrange(3, 8))
            if not self.standard or dice.random() < 0.2:
                known = [*known, "lost", "Rated"]
            dice.shuffle(known)
            name = self._name("UsageStatus")
            schema = {"type": "enum", "name": name, "symbols": known}
            return self._once(name, lambda: Node(
                schema, schema, lambda value: value if value in known and dice.random() < 0.99 else dice.choice(known),
                _same, self._full(name)))

        def text() -> Node:
            def write(value: Any) -> str:
                return value if isinstance(value, str) and dice.random() < 0.98 else ""

            return Node("string", "string", write, _same, "string")

        return [status] if self.standard else [status, text]

    def _decimals(self) -> list:
        """On bytes and on fixed, of one scale, so that either reads alike."""
        dice = self.dice
        scale, kept = dice.choice((0, 2, 4, 6, 9, 9, dice.randrange(12))), self.standard or dice.random() < 0.4
        precision = dice.randrange(max(scale, 20), 39) if kept else dice.choice((None, 38, 12, 50))
        logical: dict = {"logicalType": "decimal"}
        if scale or dice.random() < 0.5:
            logical["scale"] = scale
        if precision:
            precision = logical["precision"] = max(precision, scale)

        def wanted(value: Any) -> int:
            return int(Decimal(value if _is_number(value) else self._values.decimal(scale, 12)).scaleb(scale))

        def raw(value: Any) -> bytes:
            if dice.random() < 0.02:
                return dice.randbytes(dice.randrange(22))
            number = wanted(value)
            return number.to_bytes((number.bit_length() + 8) // 8 + dice.choice((0, 0, 3)), "big", signed=True)

        def exact(value: Any) -> Decimal:
            number = wanted(value)
            return Decimal(number if abs(number) < 10**19 else 7).scaleb(-scale)  # fits any precision here

        def read(datum: Any) -> Any:
            if isinstance(datum, Decimal):
                return datum
            number = int.from_bytes(datum, "big", signed=True)
            limit = min(precision or 38, 38)
            digits = tuple(map(int, str(abs(number))))
            return WIDE if len(digits) > limit else Decimal((number < 0, digits, -scale))

        def on_bytes() -> Node:
            ours = {"type": "bytes", **logical}
            return Node(ours, ours if kept else "bytes", exact if kept else raw, read, "bytes", _is_number)

        def on_fixed() -> Node:
            name, size = self._name(), dice.choice((16, 17, 20))
            ours = {"type": "fixed", "name": name, "size": size, **logical}
            theirs = {key: one for key, one in ours.items() if kept or key in ("type", "name", "size")}

            def whole(value: Any) -> bytes:
                return wanted(value).to_bytes(size, "big", signed=True)

            return Node(ours, theirs, exact if kept else whole, read, self._full(name), _is_number)

        return [on_bytes] if self.standard else [on_bytes, on_fixed]

    def _integers(self) -> list:
        def write(value: Any) -> int:
            whole = isinstance(value, int) and not isinstance(value, bool)
            return value if whole and -2**31 <= value < 2**31 else self.dice.randrange(-1000, 1000)

        def wide(value: Any) -> int:
            whole = isinstance(value, int) and not isinstance(value, bool)
            return value if whole and -2**63 <= value < 2**63 else self.dice.randrange(-2**63, 2**63)

        return [lambda: Node("int", "int", write, _same, "int", _is_whole),
                lambda: Node(self._extra("long"), "long", wide, _same, "long", _is_whole)]

    def _reals(self) -> list:
        def write(value: Any) -> float:
            if isinstance(value, (float, Decimal)):
                return float(value)
            return self.dice.choice((0.5, -1e-5, 1e9, float("inf"), 7.0))

        def narrow(value: Any) -> float:
            exact = struct.unpack("<f", struct.pack("<f", self.dice.random()))[0]
            return self.dice.choice((0.5, -0.125, 7.0, 1.5, exact))

        return [lambda: Node("double", "double", write, _same, "double", lambda value: isinstance(value, float)),
                lambda: Node("float", "float", narrow, _same, "float", lambda value: isinstance(value, float))]

    def _decimal_types(self, field: Field) -> list:
        return self._decimals() + ([] if self.standard else self._integers())

    def _number_types(self, field: Field) -> list:
        return self._decimals() + self._reals() + self._integers()

    def _value_types(self, field: Field) -> list:
        dice = self.dice

        def any_json() -> Node:
            name = self._name("Json") if self.standard else self._name() + "Json"
            extra, draw = ("int", lambda: 5) if self.standard else self._any(2)
            kind = dice.choice(("string", "string", "bytes"))
            fields = [{"name": "x", "type": extra}, {"name": "json", "type": kind}]
            dice.shuffle(fields)
            schema = {"type": "record", "name": name, "fields": fields}

            def write(value: Any) -> dict:
                text = str(value) if isinstance(value, Json) else dice.choice(JSON)
                return {"x": draw(), "json": text if kind == "string" else text.encode()}

            def read(datum: dict) -> Json:
                return Json(datum["json"] if isinstance(datum["json"], str) else datum["json"].decode())

            return self._once(name, lambda: Node(schema, schema, write, read, self._full(name),
                                                 lambda value: isinstance(value, Json)))

        def text() -> Node:
            return Node("string", "string", lambda value: value if _is_text(value) else self._values.word(), _same,
                        "string", lambda value: _is_text(value) and not isinstance(value, Json))

        kinds = [text] + self._integers() + self._reals() + self._decimals() + self._truth_types(field) + [any_json]
        dice.shuffle(kinds)
        return kinds

    def _record_types(self, field: Field) -> list:
        name = self._name(RECORD_NAMES[field.name])
        return [lambda: self._once(name, lambda: self._record(field.parts, {"type": "record", "name": name}))]

    def _array_types(self, field: Field) -> list:
        def make() -> Node:
            name = self._name(RECORD_NAMES[field.name])
            item = self._record(field.parts, {"type": "record", "name": name})
            return Node({"type": "array", "items": item.ours}, {"type": "array", "items": item.theirs},
                        lambda value: [item.write(one) for one in value or ()],
                        lambda datum: [item.read(one) for one in datum], "array", lambda value: isinstance(value, list))
        return [make]

    # ---- any type at all, for a field that is skipped ----

    def _any(self, depth: int) -> tuple[Any, Callable[[], Any]]:
        dice = self.dice
        kind = dice.randrange(8 if depth > 3 else 14)
        if kind < 8:
            return [("null", lambda: None), ("boolean", lambda: dice.random() < 0.5),
                    ("int", lambda: dice.randrange(-2**31, 2**31)),
                    ("long", lambda: dice.randrange(-2**63, 2**63)), ("float", lambda: 1.5), ("double", dice.random),
                    ("bytes", lambda: dice.randbytes(dice.randrange(9))), ("string", self._values.word)][kind]
        if kind == 8:
            item, draw = self._any(depth + 1)
            return {"type": "array", "items": item}, lambda: [draw() for _ in range(dice.randrange(4))]
        if kind == 9:
            item, draw = self._any(depth + 1)
            return {"type": "map", "values": item}, lambda: {f"k{n}": draw() for n in range(dice.randrange(4))}
        if kind == 10:
            # At least one field: avro-c cannot hold an array of records that have none.
            parts = [self._any(depth + 1) for _ in range(dice.randrange(1, 4))]
            schema = {"type": "record", "name": self._name(), "fields": [
                {"name": f"f{n}", "type": part} for n, (part, _) in enumerate(parts)]}
            return schema, lambda: {f"f{n}": draw() for n, (_, draw) in enumerate(parts)}
        if kind == 11:
            item, draw = self._any(depth + 2)
            if isinstance(item, list) or item == "null":
                return item, draw
            branch = item if isinstance(item, str) else self._full(item["name"]) if "name" in item else item["type"]
            return ["null", item], lambda: (branch, draw()) if dice.random() < 0.5 else None
        if kind == 12:
            size = dice.randrange(1, 9)
            return {"type": "fixed", "name": self._name(), "size": size}, lambda: dice.randbytes(size)
        symbols = [f"S{n}" for n in range(dice.randrange(1, 70))]
        return {"type": "enum", "name": self._name(), "symbols": symbols}, lambda: dice.choice(symbols)


_PYTHON = {"null": (type(None),), "string": (str,), "bytes": (bytes, Decimal), "int": (int,), "long": (int, datetime),
           "float": (float,), "double": (float,), "boolean": (bool,), "array": (list,), "record": (dict,),
           "enum": (str,), "fixed": (bytes, Decimal)}


def _same(datum: Any) -> Any:
    return datum


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _is_number(value: Any) -> bool:
    return type(value) in (int, Decimal)


def _default(field: Field) -> Any:
    return [] if field.kind == "array" else field.fallback
