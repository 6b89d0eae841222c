"""test_model - the check of bodies against jsonschema, which reads the same schemas of schemas/openapi.json.

Both must say the same of random bodies, most of them with one thing changed; and where both refuse one, the attribute
that our error names is one that jsonschema complains of. Not made here, since a parsed JSON cannot show it: keys that
stand twice, bad text, depth. Leap seconds and a blank instead of the T are dates for us and not for the other.
"""

import json
import os
import random
import struct
import subprocess
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
from jsonschema import Draft4Validator, FormatChecker
from rfc3339_validator import validate_rfc3339
from rfc3986_validator import validate_rfc3986

from random_bodies import Bodies

PROGRAM = Path(os.environ.get("USAGED_BIN", "build/test/usaged")).parent / "fuzz" / "model"
DESCRIPTION = json.loads((Path(__file__).parents[2] / "schemas" / "openapi.json").read_text(), parse_float=Decimal)
SCHEMAS = DESCRIPTION["components"]["schemas"]
TYPES = ["Usage_Create", "Usage_Update", "UsageSpecification_Create", "UsageSpecification_Update"]  # enum model_type
DOCUMENTS = 1000


def _max_bytes(_, most, value, schema):
    if isinstance(value, str) and len(value.encode()) > most:
        yield jsonschema.ValidationError("too many bytes")


def _digits(_, most, value, schema):
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        _, digits, exponent = Decimal(value).as_tuple()
        written = "".join(map(str, digits))
        whole, behind = written, ""
        if exponent < 0:
            whole, behind = written[:exponent], written[exponent:].rjust(-exponent, "0")
        whole = whole.lstrip("0") + "0" * max(exponent, 0) if whole.strip("0") else ""
        if len(whole) > most or len(behind.rstrip("0")) > schema["x-places"] or len(whole + behind) > 38:
            yield jsonschema.ValidationError("too many digits")


Validator = jsonschema.validators.extend(Draft4Validator, {"x-maxBytes": _max_bytes, "x-wholeDigits": _digits})
FORMATS = FormatChecker(formats=())
FORMATS.checks("date-time")(lambda value: not isinstance(value, str) or validate_rfc3339(value.upper()))
FORMATS.checks("uri")(lambda value: not isinstance(value, str) or bool(validate_rfc3986(value)))


def draft4(schema):
    """OpenAPI 3.0 as JSON Schema: nullable becomes a type. anyOf is what usage_complete_ratings() judges, not the
    model."""
    if isinstance(schema, list):
        return [draft4(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: draft4(value) for key, value in schema.items() if key not in ("anyOf", "not", "example", "default")}
    if "not" in schema:
        made["not"] = schema["not"]
    if schema.get("nullable") is True:
        made["type"] = [schema["type"], "null"]
    return made


ROOT = {"components": {"schemas": draft4(SCHEMAS)}}


def attribute(path) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "the body"


def complaints(validator, body) -> set[str]:
    """The attributes that jsonschema complains of."""
    found = set()
    for error in validator.iter_errors(body):
        path = list(error.absolute_path)
        if error.validator == "required":
            found |= {attribute([*path, name]) for name in error.validator_value if name not in error.instance}
        elif error.validator == "not":
            found |= {"id", "href"}
        else:
            found.add(attribute(path))
    return found


def written(body, dice) -> bytes:
    """Decimals with their own digits; the marks are such that no text of ours has."""
    text = json.dumps(body, ensure_ascii=dice.random() < 0.5, indent=dice.choice((None, None, 1)),
                      default=lambda number: f"@@{number}@@")
    return text.replace('"@@', "").replace('@@"', "").encode()


def answers(frames: list[bytes]) -> list[str]:
    done = subprocess.run([PROGRAM], input=b"".join(struct.pack(">I", len(one)) + one for one in frames),
                          capture_output=True, check=True, timeout=120)
    out, texts = done.stdout, []
    while out:
        size = struct.unpack(">I", out[:4])[0]
        texts.append(out[4:4 + size].decode())
        out = out[4 + size:]
    return texts


@pytest.mark.parametrize("kind", range(len(TYPES)), ids=TYPES)
def test_random_bodies_are_taken_and_refused_as_jsonschema_says(kind):
    dice = random.Random(kind)
    bodies = Bodies(SCHEMAS, dice)
    validator = Validator({"$ref": f"#/components/schemas/{TYPES[kind]}", **ROOT}, format_checker=FORMATS)
    texts = [written(bodies.valid(TYPES[kind]) if dice.random() < 0.3 else bodies.changed(TYPES[kind]), dice)
             for _ in range(DOCUMENTS)]
    parsed = [json.loads(text, parse_float=Decimal) for text in texts]

    said = answers([bytes([kind]) + text for text in texts])

    problems = []
    for text, body, why in zip(texts, parsed, said, strict=True):
        found = complaints(validator, body)
        if bool(found) != bool(why):
            problems.append(f"{text.decode()}\nours: {why or 'taken'}\njsonschema: {sorted(found) or 'valid'}")
        elif why and not any(why.startswith(f"{name} ") for name in found):
            problems.append(f"{text.decode()}\nours names another attribute: {why}\njsonschema: {sorted(found)}")
    assert not problems, f"{len(problems)}\n" + "\n\n".join(problems[:3])[:4000]
    assert DOCUMENTS / 5 < sum(map(bool, said)) < DOCUMENTS * 4 / 5, "one of the two verdicts is rare"


@pytest.mark.parametrize("path, method, kind", [
    ("/usage", "post", 0), ("/usage/{id}", "patch", 1),
    ("/usageSpecification", "post", 2), ("/usageSpecification/{id}", "patch", 3)])
def test_the_examples_are_taken(path, method, kind):
    examples = DESCRIPTION["paths"][path][method]["requestBody"]["content"]["application/json"]["examples"].values()

    said = answers([bytes([kind]) + json.dumps(one["value"], default=float).encode() for one in examples])

    assert said and said == [""] * len(said)
