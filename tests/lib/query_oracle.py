"""query_oracle - what a query finds, worked out in Python over the documents: HTTP contract sections 5.2 and 5.4 once
more, by other means than SQL.

A query is a list of groups, a group a list of conditions (name, operator, values); `to_text` writes it in one of the many
ways that the contract allows.
"""

import json
import random
import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Iterable, NamedTuple, Optional
from urllib.parse import quote

_DEFINITIONS = json.loads(Path(__file__).with_name("tmf635-v4.0.0.json").read_text())["definitions"]


class Raw(str):
    """A JSON number by its text: 1e400000 is none of Python's."""


class Condition(NamedTuple):
    name: str
    op: str  # eq, ne, gt, gte, lt, lte, regex
    values: tuple[str, ...]


Group = list[Condition]

ORDER = {"gt": lambda a, b: a > b, "gte": lambda a, b: a >= b, "lt": lambda a, b: a < b, "lte": lambda a, b: a <= b}
SIGNS = {"eq": ("=", "==", "%3D%3D", ".eq="), "gt": ("%3E", ".gt="), "gte": ("%3E%3D", "%3e=", ".gte="),
         "lt": ("%3C", ".lt="), "lte": ("%3C%3D", "%3c=", ".lte="), "regex": ("*=", "%3D~", "=~", ".regex="),
         "ne": (".ne=",)}


# ---- what there is to ask for: the swagger's attributes ---------------------------------------------------------------

class Attribute(NamedTuple):
    name: str
    kind: str  # text, date, number, truth, status, any
    under_array: bool


def attributes(kind: str) -> list[Attribute]:
    """Every scalar of a type, by its dotted name."""
    return list(_walk(_DEFINITIONS[kind], "", False))


def _walk(schema: dict, prefix: str, under_array: bool) -> Iterable[Attribute]:
    for name, inner in schema.get("properties", {}).items():
        reference = inner.get("$ref") or inner.get("items", {}).get("$ref", "")
        named = reference.rpartition("/")[2]
        array = under_array or inner.get("type") == "array"
        if named == "Any":
            yield Attribute(prefix + name, "any", under_array)
        elif named == "UsageStatusType":
            yield Attribute(prefix + name, "status", under_array)
        elif named:
            yield from _walk(_DEFINITIONS[named], f"{prefix}{name}.", array)
        else:
            kinds = {"string": "text", "number": "number", "integer": "number", "boolean": "truth"}
            kind = "date" if inner.get("format") == "date-time" else kinds[inner["type"]]
            yield Attribute(prefix + name, kind, under_array)


# ---- values -----------------------------------------------------------------------------------------------------------

def moment(text: str) -> Decimal:
    """Milliseconds since 1970, with what lies below them."""
    match = re.fullmatch(r"(.{10})[Tt ](.{8})(?:\.(\d+))?(Z|z|[-+]\d\d:\d\d)", text)
    assert match, text
    zone = "+00:00" if match[4] in "Zz" else match[4]
    whole = datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}").timestamp()
    return Decimal(int(whole)) * 1000 + (Decimal("0." + match[3]) * 1000 if match[3] else 0)


def _number(value: Any) -> Optional[Decimal]:
    """A JSON number, if it is one that can be compared."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, Raw)):
        return None
    text = str(value)
    if len(text) > 300 or re.search(r"[eE][-+]?0*[1-9]\d{3}", text):
        return None
    return Decimal(text)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", text) is not None and _number(Raw(text)) is not None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _one(kind: str, op: str, found: Any, asked: str) -> bool:
    if found is None or isinstance(found, (dict, list)):
        return False
    if op == "regex":
        return re.search(asked, _text(found)) is not None
    if kind == "date":
        left, right = Decimal(int(moment(found))), moment(asked)  # what is stored counts to the millisecond
        return left == right if op == "eq" else ORDER[op](left, right)
    if kind == "number" or (kind == "any" and op != "eq"):
        left = _number(found)
        return left is not None and (left == Decimal(asked) if op == "eq" else ORDER[op](left, Decimal(asked)))
    if kind == "any":
        same = _is_number(asked) and _number(found) is not None and _number(found) == Decimal(asked)
        return same or _text(found) == asked
    left, right = _text(found).encode(), asked.encode()
    return left == right if op == "eq" else ORDER[op](left, right)


# ---- conditions -------------------------------------------------------------------------------------------------------

class Oracle:
    """Of one kind of resource, "Usage" or "UsageSpecification"."""

    def __init__(self, kind: str):
        self.kinds = {one.name: one.kind for one in attributes(kind)}

    def finds(self, groups: list[Group], document: dict) -> bool:
        return not groups or any(self._group(group, document) for group in groups)

    def _group(self, group: Group, document: dict) -> bool:
        equal: dict[str, tuple[str, ...]] = {}
        rest = []
        for name, op, values in group:
            if op == "ne":  # by itself, over all values
                if any(_one(self.kinds[name], "eq", value, asked)
                       for value in _values(document, name.split(".")) for asked in values):
                    return False
            elif op == "eq":
                equal[name] = equal.get(name, ()) + values
            else:
                rest.append((name.split("."), self.kinds[name], op, values))
        rest += [(name.split("."), self.kinds[name], "eq", values) for name, values in equal.items()]
        return _holds(rest, document)


def _values(node: Any, path: list[str]) -> Iterable[Any]:
    """All values at a path, through every element of every array."""
    if not path:
        yield node  # a characteristic's value that is an array is one value
    elif isinstance(node, list):
        for element in node:
            yield from _values(element, path)
    elif isinstance(node, dict):
        yield from _values(node.get(path[0]), path[1:])


def _holds(conditions: list, node: Any) -> bool:
    """All of them; those that go through one array are asked of one element of it."""
    arrays: dict[tuple, list] = {}
    for path, kind, op, values in conditions:
        at, depth = node, 0
        while depth < len(path) and isinstance(at, dict):
            at = at.get(path[depth])
            depth += 1
        if isinstance(at, list) and depth < len(path):
            arrays.setdefault(tuple(path[:depth]), [at]).append((path[depth:], kind, op, values))
        elif depth < len(path) or not any(_one(kind, op, at, asked) for asked in values):
            return False
    return all(any(_holds(inside, element) for element in elements) for elements, *inside in arrays.values())


# ---- order ------------------------------------------------------------------------------------------------------------

def in_order(documents: Iterable[dict], keys: list[tuple[str, bool]]) -> list[dict]:
    """`keys` are (name, descending). Rows that they leave equal are the newest first, or in the direction of usageDate where
    that is the last key: the id begins with it. Rows without an attribute come last in both directions."""
    by_date = bool(keys) and keys[-1][0] == "usageDate"
    rows = sorted(documents, key=lambda one: one["id"], reverse=keys[-1][1] if by_date else True)
    for name, descending in reversed(keys):
        have = [row for row in rows if _key(row, name) is not None]
        have.sort(key=lambda row: _key(row, name), reverse=descending)
        rows = have + [row for row in rows if _key(row, name) is None]
    return rows


def _key(row: dict, name: str) -> Optional[bytes]:
    value = next(iter(_values(row, name.split("."))), None)
    return None if value is None else _text(value).encode()


# ---- text -------------------------------------------------------------------------------------------------------------

def to_text(groups: list[Group], dice: Optional[random.Random] = None) -> str:
    """The query string; `dice` choose between the ways to write it."""
    dice = dice or random.Random(0)
    return ";".join("&".join(_condition_text(one, dice) for one in group) for group in groups)


def _condition_text(one: Condition, dice: random.Random) -> str:
    values = [quote(value, safe="").replace("~", "%7E") for value in one.values]
    name = one.name.replace("@", dice.choice(("@", "%40")))
    sign = dice.choice(SIGNS[one.op])
    if one.op in ("gt", "lt") and values[0].startswith("%3D"):
        sign = f".{one.op}="  # ">" and "=x" would be ">=" and "x"
    if one.op == "eq" and len(values) > 1 and dice.random() < 0.3:
        return "&".join(f"{name}{sign}{value}" for value in values)
    return f"{name}{sign}{','.join(values)}"
