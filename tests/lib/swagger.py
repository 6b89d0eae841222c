"""swagger - is a JSON value what the official TMF635 v4.0.0 swagger says of a type?

tmf635-v4.0.0.json beside this file holds the definitions that a Usage, a UsageSpecification, their events, the hub and an Error need,
taken unchanged from TM Forum's own file (its source and its licence, Apache-2.0, are named in it). Values are parsed with Decimal (expect.parse_json).
"""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

_DEFINITIONS = json.loads(Path(__file__).with_name("tmf635-v4.0.0.json").read_text())["definitions"]
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")  # RFC 3339, as usaged writes it
_URI = re.compile(r"[a-z][a-z0-9+.-]*://[!-~]+")


def faults(kind: str, value: Any) -> list[str]:
    """What is wrong with `value` as a `kind`, a line each. An attribute that the swagger does not know is a fault too:
    it would allow it, but nothing of ours has one."""
    return _faults(_DEFINITIONS[kind], value, kind)


def _faults(schema: dict, value: Any, path: str) -> list[str]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return [] if name == "Any" else _faults(_DEFINITIONS[name], value, path)
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path}: {value!r} is none of {schema['enum']}"]
    check = {"object": _object, "array": _array, "string": _string, "number": _number, "integer": _number, "boolean": _boolean}
    return check[schema["type"]](schema, value, path)


def _object(schema: dict, value: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: {value!r} is no object"]
    known = schema["properties"]
    lines = [f"{path}: lacks {name}" for name in schema.get("required", ()) if name not in value]
    lines += [f"{path}: {name} is not in the model" for name in value if name not in known]
    return lines + [line for name in value if name in known
                    for line in _faults(known[name], value[name], f"{path}.{name}")]


def _array(schema: dict, value: Any, path: str) -> list[str]:
    if not isinstance(value, list) or not value:
        return [f"{path}: {value!r} is no array with elements: an empty one is left out"]
    return [line for at, one in enumerate(value) for line in _faults(schema["items"], one, f"{path}[{at}]")]


def _string(schema: dict, value: Any, path: str) -> list[str]:
    if not isinstance(value, str) or not value:
        return [f"{path}: {value!r} is no text: an empty one is left out"]
    form = {"date-time": _DATE, "uri": _URI}.get(schema.get("format", ""))
    return [f"{path}: {value!r} is no {schema['format']}"] if form and not form.fullmatch(value) else []


def _number(_: dict, value: Any, path: str) -> list[str]:
    return [] if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else [f"{path}: {value!r} is no number"]


def _boolean(_: dict, value: Any, path: str) -> list[str]:
    return [] if isinstance(value, bool) else [f"{path}: {value!r} is no boolean"]


def kinds() -> list[str]:
    """All that are known here."""
    return list(_DEFINITIONS)
