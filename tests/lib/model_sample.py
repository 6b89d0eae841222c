"""model_sample - a body with every attribute that the official swagger gives a resource, and each attribute's place in it."""

import copy
import json
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Union

_DEFINITIONS = json.loads(Path(__file__).with_name("tmf635-v4.0.0.json").read_text())["definitions"]
_OF_THE_SERVER = ("id", "href", "lastUpdate")
_TEXTS = {"uri": "https://example.net/a?b=c", "date-time": "2026-11-20T08:18:41.007Z", "base64": "aGVsbG8="}
_OTHERS = {"number": 6.25, "integer": 3, "boolean": False}
# Of another type than the attribute's.
_WRONG = {"string": 7, "uri": 7, "base64": 7, "date-time": "yesterday", "number": "6", "integer": 1.5, "boolean": "true",
          "array": {}, "object": []}
Step = Union[str, int]


class Place(NamedTuple):
    """`kind` is a type of JSON, or what the text has to be; `any` is all of JSON."""

    steps: tuple[Step, ...]
    kind: str
    required: bool

    def name(self) -> str:
        """As an Error names it: relatedParty[0].id"""
        text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.steps)
        return text[1:]

    def put(self, body: dict, value: Any) -> dict:
        """Another body, with this value there."""
        made = copy.deepcopy(body)
        self._holder(made)[self.steps[-1]] = value
        return made

    def without(self, body: dict) -> dict:
        made = copy.deepcopy(body)
        del self._holder(made)[self.steps[-1]]
        return made

    def wrong(self) -> Any:
        return _WRONG[self.kind]

    def _holder(self, body: Any) -> Any:
        for step in self.steps[:-1]:
            body = body[step]
        return body


def body(kind: str) -> dict:
    """What a POST may hold; arrays have one element."""
    return {name: value for name, value in _sample(_DEFINITIONS[kind], kind).items() if name not in _OF_THE_SERVER}


def places(kind: str) -> list[Place]:
    """Every attribute of `body(kind)`, outer ones before what is in them."""
    return [place for place in _places(_DEFINITIONS[kind], ()) if place.steps[0] not in _OF_THE_SERVER]


def _target(schema: dict) -> dict:
    """What a $ref refers to, else the schema itself."""
    reference = schema.get("$ref", "").rpartition("/")[2]
    return {"any": True} if reference == "Any" else _DEFINITIONS[reference] if reference else schema


def _sample(schema: dict, name: str) -> Any:
    schema = _target(schema)
    if "any" in schema:
        return {"of": [name, 1.50, True, None]}
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema:
        return {key: _sample(inner, key) for key, inner in schema["properties"].items()}
    if schema["type"] == "array":
        return [_sample(schema["items"], name)]
    if schema["type"] == "string":
        return _TEXTS.get(schema.get("format", ""), f"{name} 客户")
    return _OTHERS[schema["type"]]


def _places(schema: dict, steps: tuple[Step, ...]) -> Iterator[Place]:
    for name, inner in schema.get("properties", {}).items():
        here, target = (*steps, name), _target(inner)
        kind = "any" if "any" in target else target.get("format") or target.get("type") or "object"
        yield Place(here, "number" if kind == "float" else kind, name in schema.get("required", ()))
        if target.get("type") == "array":
            yield from _places(_target(target["items"]), (*here, 0))
        else:
            yield from _places(target, here)
