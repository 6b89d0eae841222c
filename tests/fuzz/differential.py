"""differential - random records under random writers' schemas: ours against fastavro and avro-c, value by value.

    differential.py PROGRAM [--schemas 200] [--records 1000000] [--seed 1] [--jobs 2]

fastavro writes each record. PROGRAM (tests/fuzz/differential.c) reads it by our reader, maps it, and writes its event;
avro-c, inside it, reads both and writes the same bytes again. Here fastavro reads the record under the writer's schema
and, where Avro's own rules are enough, under ours, and the event; all must say what went in.

Where fastavro's resolution is not asked or not believed: a writer's aliases (Avro knows the reader's only), named types
with names of their own, an enum or a fixed where we want text or a decimal: it refuses these, which is right of it. A
long that it reads as a double loses digits: the two are compared as doubles.
"""

import argparse
import copy
import io
import json
import multiprocessing
import struct
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any, Iterator, Optional

import fastavro

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from fastavro._read_common import SchemaResolutionError  # noqa: E402

from lib import expect  # noqa: E402
from lib.identity import usage_id  # noqa: E402
from lib.records import Json, id_of  # noqa: E402
from our_shapes import SCHEMAS, SHAPES, Field, schema_of  # noqa: E402
from random_values import NOW_MS, STATUSES  # noqa: E402
from random_writers import WIDE, Writer  # noqa: E402

RAW_SHARE = 0.7  # of the schemas


def _spelled_out(schema: Any, known: dict) -> Any:
    """Each use of a named type as a definition of its own, in a namespace of its own: fastavro fails where one side
    names a type and the other defines it."""
    if isinstance(schema, list):
        return [_spelled_out(one, known) for one in schema]
    if isinstance(schema, str):
        if schema not in known:
            return schema
        known[""] = known.get("", 0) + 1
        return {**_spelled_out(known[schema], known), "namespace": f"again{known['']}"}
    if schema["type"] in ("record", "enum"):
        known[schema["name"]] = schema
    return {**schema, **{key: _spelled_out(schema[key], known) for key in ("items", "values") if key in schema},
            **({"fields": [{**one, "type": _spelled_out(one["type"], known)} for one in schema["fields"]]}
               if "fields" in schema else {})}


def _bare_times(schema: Any) -> Any:
    """Python has no dates before the year 1: milliseconds stay a number."""
    text = json.dumps(schema)
    return json.loads(text.replace('"logicalType": "timestamp-millis"', '"x": 1'))


OURS = {name: fastavro.parse_schema(_spelled_out(schema_of(name), {})) for name in SHAPES}
EVENTS = {name: fastavro.parse_schema(_bare_times(schema_of(name)))
          for name in ("UsageCreateEvent", "UsageStateChangeEvent")}


@dataclass
class Result:
    counts: Counter = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


# ---- our values as the program prints them ----

def printed(value: Any, fields: tuple[Field, ...]) -> str:
    return "{" + "".join(_printed(value[one.name], one) + ";" for one in fields) + "}"


def _printed(value: Any, one: Field) -> str:
    if one.kind == "array":
        return "[" + "".join(printed(item, one.parts) for item in value) + "]"
    if value is None:
        return "-"
    if one.kind == "record":
        return printed(value, one.parts)
    if one.kind == "enum":
        return f"y{STATUSES.index(value) if value in STATUSES else -1},{_sized('t', value)}"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is WIDE:
        return "w"
    kind = type(value)
    if kind is str:
        return _sized("t", value)
    if kind is Json:
        return _sized("j", value)
    if kind is bool:
        return "b1" if value else "b0"
    if kind is int:
        return f"n{value}"
    if kind is float:
        return "r" + _bits(value)
    assert kind is Decimal, value
    sign, digits, exponent = value.as_tuple()
    number = int("".join(map(str, digits)))
    return f"d{-number if sign else number}e{-exponent}"


def _bits(value: float) -> str:
    return struct.pack(">d", value).hex()


def _sized(mark: str, text: str) -> str:
    return f"{mark}{len(text.encode())}:{text}"


# ---- what fastavro makes of a record under our schema ----

def alike(ours: Any, theirs: Any, fields: tuple[Field, ...]) -> bool:
    return all(_alike(ours[one.name], theirs[one.name], one) for one in fields)


def _alike(ours: Any, theirs: Any, one: Field) -> bool:
    if one.kind == "array":
        return len(ours) == len(theirs) and all(alike(*pair, one.parts) for pair in zip(ours, theirs))
    if ours is None or theirs is None:
        return ours is theirs
    if one.kind == "record":
        return alike(ours, theirs, one.parts)
    if one.kind == "time":
        return ours == expect.millis(theirs)
    if isinstance(theirs, dict):
        return isinstance(ours, Json) and ours == theirs["json"]
    if isinstance(theirs, float):
        return _bits(float(ours)) == _bits(theirs)
    if isinstance(theirs, Decimal):
        return ours is WIDE or ours == theirs
    if isinstance(theirs, bytes):  # a decimal without the logicalType that was kept from it
        return True
    return type(ours) in (type(theirs), Json) and ours == theirs


# ---- what an event must say ----

def expected_usage(value: dict, shape: str) -> tuple[str, dict]:
    """The usage's id, and the document that it has become."""
    if shape == "RawUsage":
        record = _said(value)
        name = usage_id(record["source"], record["recordId"], record["usageDate"])
        return name, expect.document(record, name)
    rating = _said(value)
    name = id_of(rating)
    if rating.get("usage"):
        before = expect.document(rating["usage"], name)
    else:
        before = expect.document({"source": "s", "recordId": "r", "usageDate": NOW_MS, "usageType": "VOICE"}, name)
    return name, expect.rated(before, {"status": "rated", **rating})


def _said(value: Any) -> Any:
    """Without what counts as absent: null, an empty text. A characteristic's value is whatever it is."""
    if isinstance(value, list):
        return [_said(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: _said(one) for key, one in value.items() if one is not None and (one != "" or key == "value")}
    if "role" in value and not made.get("referredType"):
        made["referredType"] = "Customer"
    if isinstance(made.get("taxRate"), float):
        made["taxRate"] = _rounded(made["taxRate"])
    return made


def _rounded(rate: float) -> Any:
    """A tax rate in double is rounded to 9 decimals, half away from zero."""
    exact = Decimal(repr(rate))
    if exact.as_tuple().exponent >= -9:
        return exact
    return exact.quantize(Decimal("1e-9"), rounding=ROUND_HALF_UP, context=Context(prec=60))


def event_problems(name: str, content: bytes, value: dict, shape: str) -> list[str]:
    stream = io.BytesIO(content)
    event = fastavro.schemaless_reader(stream, EVENTS[name], None)
    if stream.read(1):
        return ["bytes are left over behind the event"]
    usage = event["event"]["usage"]
    name, document = expected_usage(value, shape)
    lines = expect.differences({"relatedParty": [], **document}, {"relatedParty": [], **expect.from_event(dict(usage))},
                               event=True)
    if usage["href"] != f"http://x/usage/{name}" or event["domain"] != "Usage" or event["description"] is not None:
        lines.append(f"href, domain or description: {event}")
    return lines


# ---- one schema ----

def frame(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def frames(answers: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(answers):
        size = int.from_bytes(answers[at:at + 4], "big")
        yield answers[at + 4:at + 4 + size]
        at += 4 + size


def run_schema(task: tuple[str, int, int]) -> Result:
    program, seed, records = task
    result = Result()
    writer = Writer(seed, "RawUsage" if seed % 10 < RAW_SHARE * 10 else "RatedUsage")
    theirs = fastavro.parse_schema(copy.deepcopy(writer.theirs))
    resolving = fastavro.parse_schema(_spelled_out(copy.deepcopy(writer.theirs), {})) if writer.standard else None
    sent = []
    for _ in range(records):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, theirs, writer.draw())
        sent.append(out.getvalue())
    done = subprocess.run([program, str(SCHEMAS)], capture_output=True, check=False,
                          input=b"".join([frame(json.dumps(writer.ours).encode()), *map(frame, sent)]))
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace")[-2000:]
        result.problems.append(f"schema {seed}: {said} {json.dumps(writer.ours)}")
        return result
    answers = frames(done.stdout)
    for number, content in enumerate(sent):
        values, event, more = next(answers), next(answers), next(answers)
        for line in record_problems(writer, (theirs, resolving), content, values.decode(), event.decode(), more,
                                    result.counts):
            result.problems.append(f"schema {seed}, record {number}: {line}")
        if len(result.problems) > 5:
            result.problems.append(json.dumps(writer.ours))
            break
    return result


def record_problems(writer: Writer, parsed: tuple[Any, Any], content: bytes, values: str, event: str, more: bytes,
                    counts: Counter) -> list[str]:
    counts["records"] += 1
    fields = SHAPES[writer.shape]
    value = writer.read(fastavro.schemaless_reader(io.BytesIO(content), parsed[0], None))
    wanted = printed(value, fields)
    if values != wanted:
        return [f"read as\n  {values}\nand not\n  {wanted}"]
    resolved = _resolved(content, parsed[1], writer)
    if resolved is not None:
        counts["read by fastavro under our schema too"] += 1
        if not alike(value, resolved, fields):
            return [f"fastavro resolves it as\n  {resolved}\nand we as\n  {value}"]
    if not event:
        counts["refused by the mapping"] += 1
        counts["refused: " + more.decode().split('"')[0][:60]] += 1
        return []
    counts["events"] += 1
    return [f"{line} of {value}" for line in event_problems(event, more, value, writer.shape)]


def _resolved(content: bytes, resolving: Any, writer: Writer) -> Optional[dict]:
    if resolving is None:
        return None
    try:
        return fastavro.schemaless_reader(io.BytesIO(content), resolving, OURS[writer.shape])
    except SchemaResolutionError:
        return None


def run(program: str, schemas: int, records: int, seed: int = 1, jobs: int = 2) -> Result:
    """All problems, and how many records went which way."""
    total = Result()
    tasks = [(program, seed * 10_000 + number, records // schemas) for number in range(schemas)]
    with multiprocessing.Pool(jobs) as pool:
        for one in pool.imap_unordered(run_schema, tasks):
            total.counts += one.counts
            total.problems += one.problems
    return total


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    for name, usual in (("schemas", 200), ("records", 1_000_000), ("seed", 1), ("jobs", 2)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    options = parser.parse_args()
    started = time.monotonic()
    result = run(options.program, options.schemas, options.records, options.seed, options.jobs)
    for problem in result.problems[:5]:
        print(problem[:4000])
    for name, count in sorted(result.counts.items(), key=lambda pair: -pair[1])[:12]:
        print(f"{count:9} {name}")
    took = time.monotonic() - started
    print(f"differential: {options.schemas} schemas, {len(result.problems)} problems, {took:.0f} s")
    return 1 if result.problems or result.counts["records"] == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
