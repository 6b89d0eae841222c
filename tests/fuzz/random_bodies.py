"""random_bodies - request bodies made by the schemas of the description, and such bodies with one thing changed.

What is made is mostly valid; whether it is, jsonschema says (test_model.py).
"""

import copy
import random
from decimal import Decimal
from typing import Any

_PREFIX = "#/components/schemas/"
_PLAIN = ("a", "VOICE", "计费", "é\U0001f4de", 'a "b" \\ c', "x\ny\t", "\u007f", "cust-55810")
_DATES = ("2026-11-23T08:15:30.250Z", "2000-02-29t23:59:59z", "1970-01-01T00:00:00+08:00",
          "9998-12-31T23:59:59.999999-23:59", "0002-01-01T00:00:00.1Z")
_NO_DATES = ("", "2026-11-23", "2026-11-23T08:15:30", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "1795421730250",
             "2026-11-23T24:00:00Z", "2026-11-23T08:15:30+0800", "26-11-23T08:15:30Z", "2026-11-23T08:15Z", "x")
_NUMBERS = (0, -0.0, 6, Decimal("0.60"), Decimal("-1"), Decimal("0.000000001"), Decimal("9" * 29 + "." + "9" * 9),
            Decimal("1.5E+3"), Decimal("0.6000000000000"), 10**28)
_FAR_NUMBERS = (10**29, -(10**29), Decimal("1E+40"), Decimal("0.0000000001"), Decimal("1.0000000001"), Decimal("1E-30"),
                Decimal("1." + "1" * 38))
_NAMES = ("extension", "x y", "", "计", "Status", "currencyCode")  # none of them in the model
_ANYTHING = (None, True, False, 0, -1, 1.5, Decimal("1E+400"), "", "x", [], {}, [None], {"a": None}, ["x"], {"id": "x"})


class Bodies:
    """An endless source, the same one for the same dice. `schemas` are those of components."""

    def __init__(self, schemas: dict, dice: random.Random):
        self._schemas = schemas
        self._dice = dice

    def valid(self, name: str) -> Any:
        return self._make(self._schemas[name])

    def changed(self, name: str) -> Any:
        """One that had one thing changed, sometimes two: often invalid, not always."""
        body = self.valid(name)
        for _ in range(self._dice.choice((1, 1, 1, 2))):
            body = self._change(body)
        return body

    def _make(self, schema: dict) -> Any:
        dice = self._dice
        if "$ref" in schema:
            return self._make(self._schemas[schema["$ref"].removeprefix(_PREFIX)])
        if schema.get("nullable") and dice.random() < 0.1:
            return None
        if "enum" in schema:
            return dice.choice(schema["enum"])
        kind = schema.get("type")
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return [self._make(schema["items"]) for _ in range(dice.choice((0, 1, 1, 2, 3)))]
        if kind == "string":
            return self._string(schema)
        if kind == "boolean":
            return dice.random() < 0.5
        if kind == "integer":
            return dice.choice((0, 1, -7, 2**63, 10**40))
        return dice.choice(_NUMBERS) if kind == "number" else copy.deepcopy(dice.choice(_ANYTHING))

    def _object(self, schema: dict) -> dict:
        dice = self._dice
        needed, often = set(schema.get("required", ())), dice.choice((0.1, 0.3, 0.8))
        names = [name for name in schema.get("properties", {}) if name in needed or dice.random() < often]
        dice.shuffle(names)
        made = {name: self._make(schema["properties"][name]) for name in names}
        if dice.random() < 0.1:
            made[dice.choice(_NAMES)] = copy.deepcopy(dice.choice(_ANYTHING))
        return made

    def _string(self, schema: dict) -> str:
        dice = self._dice
        if schema.get("format") == "date-time":
            return dice.choice(_DATES)
        if schema.get("format") == "uri":
            return self._uri()
        if dice.random() < 0.1 and "maxLength" in schema:
            return self._long(schema["maxLength"])
        return dice.choice(_PLAIN)

    def _long(self, size: int) -> str:
        """Exactly so many bytes."""
        unit = self._dice.choice("aé计\U0001f4de")
        count, rest = divmod(size, len(unit.encode()))
        return unit * count + "b" * rest

    def _uri(self) -> str:
        dice = self._dice
        host = dice.choice(("", "h", "bss.example.net", "u:p@h", "[::1]", "[2001:db8::1:2]", "[v1.a]", "1.2.3.4", "%41"))
        start = dice.choice((f"https://{host}", f"http://{host}:80", f"x+y-z.1://{host}:", "urn:isbn:1", "mailto:a@b",
                             "f:"))
        path = dice.choice(("", "/", "/a/b;c=1", "/%E4%bd", "//a", "/a:b@c")) if "://" in start else ""
        return start + path + dice.choice(("", "?", "?a=b/?c", "#", "#f/?", "?q#f"))

    def _change(self, body: Any) -> Any:
        dice = self._dice
        places = list(_places(body))
        holder, key = dice.choice(places) if places else (None, None)
        what = dice.randrange(10)
        if holder is None or (what == 0 and dice.random() < 0.1):
            return copy.deepcopy(dice.choice(_ANYTHING))
        if what < 2:
            del holder[key]
        elif what < 3 and isinstance(holder, dict):
            name = dice.choice(("id", "href", "status", "name", "value", "usageDate", "@type"))
            holder[name] = copy.deepcopy(dice.choice(_ANYTHING))
        elif what < 6:
            holder[key] = self._text_like(holder[key])
        elif what < 7:
            numbers = [one for one in places if type(one[0][one[1]]) in (int, Decimal)]
            holder, key = dice.choice(numbers or places)
            holder[key] = dice.choice(_FAR_NUMBERS)
        else:
            holder[key] = copy.deepcopy(dice.choice(_ANYTHING))
        return body

    def _text_like(self, text: Any) -> Any:
        dice = self._dice
        if not isinstance(text, str):
            return text
        if text in _DATES:
            return dice.choice(_NO_DATES)
        if ":" in text:
            at = dice.randrange(len(text) + 1)
            cut = text[:at] + text[at + dice.randrange(3):]
            return dice.choice((cut, text[:at] + dice.choice(' []@:/?#%"<\\^`{|}é') + text[at:]))
        return dice.choice(("", text * 300, text.upper(), *map(self._long, (64, 65, 256, 257))))


def _places(value: Any):
    """Every (container, key) within."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)
