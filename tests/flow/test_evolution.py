"""Evolution: whatever a writer's schema may differ in, its records mean the same; what it may not is said once.

All schemas are written by one service's life; each row below is a schema and a test. A row's name is the recordId of
its record.
"""

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Optional

import pytest

from lib import evolution as ev
from lib import expect
from lib.checker import check, read_outbound
from lib.consume import Decoder
from lib.evolution import Variant
from lib.identity import usage_id
from lib.publish import Publisher, framed, register
from lib.records import Json
from lib.schemas import MICROS, PLAIN, STATUSES, decimal
from lib.schemas_rated import RATED_PLAIN
from lib.settle import wait_settled

DATE = 1_795_421_730_250 - 90 * 86_400_000
IN_1970 = 1_000_000_000  # the only dates that an int can say
AMOUNT = Decimal("12.340000000")
ALL_VALUES = ["text", 42, 0.1, True, AMOUNT, Json('{"a":[1,2.50]}')]

RAW = PLAIN.schema
RATED = ev.without("RatedUsage.usage")(RATED_PLAIN.schema)
PARTNER = RATED_PLAIN.schema
BASES = {"raw": RAW, "rated": RATED, "partner": PARTNER}


# ---- the canonical records ---------------------------------------------------------------------------------------

def raw_record(name: str, date: int = DATE, values: Any = None, status: str = "rejected") -> dict:
    characteristics = [{"name": f"c{at}", "value": value} for at, value in enumerate(values or ALL_VALUES)]
    characteristics[0].update(valueType="special", id="c-0")
    return {
        "source": "med-演-7", "recordId": name, "usageDate": date, "usageType": "VOICE", "status": status,
        "description": "Ein Anruf — 通话", "usageSpecification": {"id": "voice-1", "name": "Voice", "href": "urn:v"},
        "relatedParty": [
            {"id": "cust-1", "role": "subscriber", "name": "示例", "href": "urn:c", "referredType": "Individual"},
            {"id": "org-2", "role": "payer", "name": "Payer", "href": "urn:o", "referredType": "Organization"}],
        "usageCharacteristic": characteristics}


def rating_record(name: str, date: int = DATE, amount: Decimal = AMOUNT, tax_rate: Any = None) -> dict:
    def money() -> dict:
        return {"unit": "CNY", "value": amount}
    return {
        "usageId": usage_id("med-演-7", name, date), "source": "med-演-7", "recordId": name, "usageDate": date,
        "status": "rated", "description": "rated at night", "ratedProductUsage": [{
            "ratingDate": date + 1_001, "ratingAmountType": "Part", "taxExcludedRatingAmount": money(),
            "taxIncludedRatingAmount": money(), "bucketValueConvertedInAmount": money(),
            "taxRate": amount if tax_rate is None else tax_rate, "isTaxExempt": True, "isBilled": True,
            "offerTariffType": "Holiday", "usageRatingTag": "included usage",
            "productRef": {"id": "p-1", "name": "套餐", "href": "urn:p", "referredType": "Product"}}]}


# ---- rows --------------------------------------------------------------------------------------------------------

@dataclass
class Row:
    """`said` is how the record differs from the canonical one; `reason`: it is a dead letter for that."""

    name: str
    kind: str
    schema: Any
    called: dict = field(default_factory=dict)
    said: dict = field(default_factory=dict)
    reason: Optional[str] = None

    def record(self) -> dict:
        said = dict(self.said)
        raw = {key: said.pop(key) for key in ("date", "values", "status") if key in said}
        if self.kind == "raw":
            assert not said, self
            return raw_record(self.name, **raw)
        made = rating_record(self.name, raw.get("date", DATE), **said)
        if "status" in raw:
            made["status"] = raw["status"]
        if self.kind == "partner":
            made["usage"] = raw_record(self.name, raw.get("date", DATE))
        return made


def _rows() -> list[Row]:
    rows: list[Row] = []

    def row(name: str, kinds: str, *changes: Any, reason: Optional[str] = None, **said: Any) -> None:
        for kind in kinds.split():
            schema = BASES[kind]
            names = {}
            for change in changes:
                if change is ev.fields_with_aliases:
                    names = ev.called_with_aliases(schema)
                schema = change(schema)
            own = {key: value for key, value in said.items() if kind != "raw" or key in ("date", "values", "status")}
            if kind != "raw":
                own.pop("values", None)
            rows.append(Row(f"{kind}: {name}", kind, ev.defined_first(schema), names, own, reason))

    everyone = "raw rated partner"
    row("as it is published", everyone)
    row("fields in another order", everyone, ev.fields_turned_round)
    row("unions in another order", everyone, ev.unions_turned_round)
    row("unions where we have plain types", everyone, ev.everything_nullable)
    row("arrays of unions", everyone, ev.items_nullable)
    row("plain types where we have unions", everyone, ev.nothing_nullable)
    row("unions of one", everyone, ev.unions_of_one)
    row("the writer's own namespace", everyone, ev.own_namespace)
    row("a namespace for each type", everyone, ev.namespace_in_names)
    row("aliases on types", everyone, ev.types_with_aliases)
    row("aliases on fields", everyone, ev.fields_with_aliases)
    row("bytes for strings", everyone, ev.strings_as_bytes)
    row("types written as objects", everyone, ev.types_as_objects)
    row("a registry's own properties", everyone, ev.properties_of_a_registry)
    for name, kind in ev.EXTRA_TYPES.items():
        row(f"extra {name}", everyone, ev.with_extra(kind))
    row("extra bytes with a default that is text", everyone, ev.with_extra("bytes", default="\u00ff\u0000Z"))
    row("extra decimal with a default that is text", everyone,
        ev.with_extra(ev.EXTRA_TYPES["decimal"], default="\u00ff\u0000"))
    row("much at once", everyone, ev.strings_as_bytes, ev.everything_nullable, ev.unions_turned_round,
        ev.with_extra(ev.EXTRA_TYPES["nested"]), ev.properties_of_a_registry, ev.fields_turned_round,
        ev.fields_with_aliases, ev.own_namespace)

    row("symbols in another order", everyone, ev.enums_as(lambda symbols: symbols[::-1]))
    row("symbols that we do not know", everyone, ev.enums_as(lambda symbols: ["lost", *symbols, "found"]))
    row("few symbols", everyone, ev.enums_as(lambda _: ["rated", "rejected"]))
    row("status in a string", everyone, ev.status_as("string"))
    row("status in bytes", everyone, ev.status_as("bytes"))
    row("status under another enum's name", everyone, ev.status_as(
        {"type": "enum", "name": "State", "aliases": ["UsageStatus"], "symbols": STATUSES[::-1], "default": "rated"}))
    row("status in a union of enum and string", everyone, ev.status_as(
        ["null", {"type": "enum", "name": "State", "symbols": ["lost"]}, "string"]))
    unknown = {"type": "enum", "name": "State", "symbols": ["lost", *STATUSES]}
    row("a symbol that is none of ours", "raw rated", ev.status_as(unknown), status="lost", reason="status")
    row("a string that is none of ours", "raw rated", ev.status_as("string"), status="Rated", reason="status")
    row("an enum for a string", "raw", ev.typed("usageType", {"type": "enum", "name": "Type", "symbols": [
        "SMS", "VOICE"]}))

    row("microseconds", everyone, ev.dates_as(MICROS))
    row("bare longs", everyone, ev.dates_as("long"))
    row("ints", everyone, ev.dates_as("int"), date=IN_1970)
    row("longs of a logical type that nobody knows", everyone,
        ev.dates_as({"type": "long", "logicalType": "epoch"}))
    row("a date in a union", "raw", ev.typed("usageDate", [MICROS, "null"]))

    for scale in (0, 1, 4, 9, 18, 36):
        for sign in ("", "-"):
            value = Decimal(f"{sign}12" + (f".{'34'[:scale]:0<{scale}}" if scale else ""))
            row(f"decimals of scale {sign}{scale} in bytes", "raw rated", ev.decimals(scale=scale), amount=value,
                values=["x", value])
            row(f"decimals of scale {sign}{scale} in 16 fixed bytes", "raw rated", ev.decimals(scale=scale),
                ev.decimals_fixed(16), amount=value, values=["x", value])
    row("decimals in 40 fixed bytes", everyone, ev.decimals_fixed(40))
    row("decimals without scale", "raw rated", ev.decimals(scale=None), amount=Decimal(12), values=["x", Decimal(-12)])
    row("decimals without precision", everyone, ev.decimals(precision=None))
    row("decimals without both, fixed", "raw rated", ev.decimals(scale=None, precision=None), ev.decimals_fixed(9),
        amount=Decimal(12), values=["x", Decimal(2**64)])
    row("decimals of just enough precision", "raw rated", ev.decimals(scale=2, precision=4), amount=Decimal("99.99"),
        values=["x", Decimal("-99.99")])
    row("decimals of too much for their precision", "raw rated", ev.decimals(scale=2, precision=4),
        amount=Decimal("100.00"), values=["x", Decimal("100.00")], reason="value")

    json_record = {"type": "record", "name": "Json", "fields": [{"name": "json", "type": "string"}]}
    for name, kind, values in (
            ("strings", "string", ["a", "", "演"]), ("bytes", "bytes", ["a", "演"]), ("ints", "int", [1, -2**31]),
            ("longs", "long", [1, 2**63 - 1, -2**63]), ("floats", "float", [0.25, -1.5, 16777216.0]),
            ("doubles", "double", [0.1, -1e300]), ("booleans", "boolean", [True, False]),
            ("decimals", decimal(4), [Decimal("0.1000"), Decimal("-3.0000")]),
            ("Json", json_record, [Json("[1,2]"), Json('{"a":{}}')]),
            ("Json under a prefix", {**json_record, "name": "com.example.OurJson"}, [Json("[1]"), Json("{}")]),
            ("Json in bytes", {**json_record, "fields": [{"name": "json", "type": "bytes"}]},
             [Json("[1]"), Json("{}")]),
            ("Json in a union", {**json_record, "fields": [{"name": "json", "type": ["null", "string"]}]},
             [Json("[1]"), Json("{}")]),
            ("all there is", ["null", "float", "int", json_record, "boolean", "bytes", {
                "type": "fixed", "name": "F", "size": 12, "logicalType": "decimal", "precision": 20, "scale": 9}],
             ["text", 7, 0.5, False, AMOUNT, Json("[null]")])):
        row(f"values that are {name}", "raw", ev.typed("value", kind), values=values)
    for name, kind, rate in (("a double", "double", 0.19), ("a float", "float", 0.5), ("an int", "int", 19),
                             ("a long", ["null", "long"], 19), ("a union", ["double", "null", decimal(2)], 0.07)):
        row(f"a tax rate that is {name}", "rated", ev.typed("taxRate", kind), tax_rate=rate)

    for path in ("RawUsage.status", "RawUsage.description", "RawUsage.usageSpecification", "RawUsage.relatedParty",
                 "RawUsage.usageCharacteristic", "UsageSpecificationRef.name", "UsageSpecificationRef.href",
                 "RelatedParty.role", "RelatedParty.name", "RelatedParty.href", "RelatedParty.referredType",
                 "UsageCharacteristic.valueType", "UsageCharacteristic.id"):
        row(f"without {path}", "raw partner", ev.without(path))
    for path in ("RatedUsage.usageId", "RatedUsage.source", "RatedUsage.recordId", "RatedUsage.usageDate",
                 "RatedUsage.status", "RatedUsage.description", "RatedProductUsage.ratingAmountType",
                 "RatedProductUsage.bucketValueConvertedInAmount", "RatedProductUsage.isTaxExempt",
                 "RatedProductUsage.isBilled", "RatedProductUsage.offerTariffType", "RatedProductUsage.usageRatingTag",
                 "ProductRef.name", "ProductRef.href", "ProductRef.referredType"):
        row(f"without {path}", "rated partner", ev.without(path))
    return rows


@dataclass
class Refused:
    """A schema that cannot be matched: its text has all of `says`."""

    name: str
    topic: str
    schema: Any
    says: tuple[str, ...]


def _refused() -> list[Refused]:
    made: list[Refused] = []

    def raw(name: str, change: Any, *says: str) -> None:
        made.append(Refused(f"raw: {name}", "raw", ev.defined_first(change(RAW)), says))

    def rated(name: str, change: Any, *says: str) -> None:
        made.append(Refused(f"rated: {name}", "rated", ev.defined_first(change(PARTNER)), says))

    def in_map(kind: str) -> dict:
        return {"type": "map", "values": kind}

    text, status, when = "string", "enum or string", "long (timestamp-millis)"
    value = "string, long, double, boolean, decimal or Json"
    for path, at, needed in (
            ("RawUsage.source", "source", "string"), ("RawUsage.recordId", "recordId", "string"),
            ("RawUsage.usageDate", "usageDate", when), ("RawUsage.usageType", "usageType", "string"),
            ("UsageSpecificationRef.id", "usageSpecification.id", "string"),
            ("RelatedParty.id", "relatedParty.id", "string"),
            ("UsageCharacteristic.name", "usageCharacteristic.name", "string"),
            ("UsageCharacteristic.value", "usageCharacteristic.value", value),
            ("Json.json", "usageCharacteristic.value.json", "string")):
        raw(f"without {path}", ev.without(path), f"field {at}:", "does not have it", f"where {needed} is needed")
    for path, at, needed in (
            ("Money.unit", "ratedProductUsage.taxExcludedRatingAmount.unit", "string"),
            ("Money.value", "ratedProductUsage.taxExcludedRatingAmount.value", "decimal"),
            ("ProductRef.id", "ratedProductUsage.productRef.id", "string"),
            ("RawUsage.recordId", "usage.recordId", "string")):
        rated(f"without {path}", ev.without(path), f"field {at}:", "does not have it", f"where {needed} is needed")

    other = {"type": "record", "name": "Other", "fields": [{"name": "x", "type": "int"}]}
    nanos = {"type": "long", "logicalType": "timestamp-nanos"}
    local = {"type": "long", "logicalType": "local-timestamp-millis"}
    date = {"type": "int", "logicalType": "date"}
    for name, kind, theirs, ours in (
            ("source", "long", "long", text), ("source", "boolean", "boolean", text),
            ("source", {"type": "fixed", "name": "Mac", "size": 6}, "usaged.v1.Mac", text),
            ("recordId", {"type": "array", "items": "string"}, "array", text),
            ("recordId", in_map("string"), "map", text), ("recordId", other, "usaged.v1.Other", text),
            ("recordId", decimal(2), "bytes (decimal)", text),
            ("description", ["null", "string", "double"], "double", text),
            ("usageDate", "string", "string", when), ("usageDate", "double", "double", when),
            ("usageDate", nanos, "long (timestamp-nanos)", when), ("usageDate", date, "int (date)", when),
            ("usageDate", ["null", local], "long (local-timestamp-millis)", when),
            ("status", "int", "int", status), ("status", {"type": "array", "items": "string"}, "array", status),
            ("usageSpecification", "string", "string", "record"),
            ("usageSpecification", ["null", in_map("string")], "map", "record"),
            ("relatedParty", {"type": "array", "items": "string"}, "string", "record"),
            ("relatedParty", "string", "string", "array of records"),
            ("relatedParty", in_map("string"), "map", "array of records"),
            ("relatedParty", other, "usaged.v1.Other", "array of records")):
        raw(f"{name} is {json.dumps(kind)}", ev.typed(name, kind), f"field {name}:",
            f"has {theirs} where {ours} is needed")
    for kind, theirs in ((in_map("string"), "map"), ({"type": "array", "items": "string"}, "array"),
                         (other, "usaged.v1.Other"), ({"type": "enum", "name": "E", "symbols": ["A"]}, "usaged.v1.E"),
                         ({"type": "fixed", "name": "F", "size": 4}, "usaged.v1.F"),
                         (["string", in_map("long")], "map")):
        raw(f"a value is {json.dumps(kind)}", ev.typed("value", kind), "field usageCharacteristic.value:",
            f"has {theirs} where {value} is needed")
    raw("Json in a long", ev.typed("json", "long"), "field usageCharacteristic.value.json:",
        "has long where string is needed")

    money = {"type": "bytes"}
    for name, kind, theirs, ours in (
            ("taxExcludedRatingAmount", "double", "double", "record"), ("isBilled", "int", "int", "boolean"),
            ("isTaxExempt", ["null", "string"], "string", "boolean"),
            ("ratingDate", nanos, "long (timestamp-nanos)", when),
            ("taxRate", "string", "string", "decimal or double"),
            ("taxRate", "boolean", "boolean", "decimal or double"),
            ("productRef", "string", "string", "record"), ("offerTariffType", "long", "long", text)):
        rated(f"{name} is {json.dumps(kind)}", ev.typed(name, kind), f"field ratedProductUsage.{name}:",
              f"has {theirs} where {ours} is needed")
    for kind, theirs in (("double", "double"), ("float", "float"), ("string", "string"), (money, "bytes"),
                         (["null", "double"], "double"), ({"type": "fixed", "name": "F", "size": 8}, "usaged.v1.F")):
        change = ev.everywhere(PARTNER, lambda one, kind=kind: {**one, "fields": [
            {**inner, "type": kind} if inner["name"] == "value" else inner for inner in one["fields"]]}
            if isinstance(one, dict) and one.get("name") == "Money" else one)
        rated(f"money is {json.dumps(kind)}", lambda _, change=change: change,
              "field ratedProductUsage.taxExcludedRatingAmount.value:", f"has {theirs} where decimal is needed")
    rated("usage is a string", ev.typed("usage", "string"), "field usage:", "has string where record is needed")
    rated("ratings in a map", ev.typed("ratedProductUsage", in_map("long")), "field ratedProductUsage:",
          "has map where array of records is needed")

    for name, change in (("a negative scale", ev.decimals(scale=-1)),
                         ("more scale than precision", ev.decimals(precision=3)),
                         ("a scale in a string", ev.decimals(scale="9"))):
        raw(name, change, "bad scale or precision of decimal", "in field value")
    raw("a type that holds itself", lambda schema: {**schema, "fields": [*schema["fields"], {
        "name": "parts", "type": {"type": "array", "items": "RawUsage"}}]}, "recursive type", "in field parts")
    made.append(Refused("raw: not a record", "raw", "string", ("is string, not a record",)))
    made.append(Refused("raw: an unknown record", "raw", {**RAW, "name": "Cdr", "namespace": "com.example"},
                        ("record com.example.Cdr is none that is known here",)))
    made.append(Refused("raw: a record of the other topic", "raw", ev.own_namespace(RATED), ("RatedUsage", "RawUsage")))
    made.append(Refused("rated: a record of the other topic", "rated", RAW, ("RawUsage", "RatedUsage")))
    return made


ROWS, REFUSED = _rows(), _refused()
SKIPPING = ": extra map"  # rows whose records are sent several times


# ---- one life of a service ---------------------------------------------------------------------------------------

@dataclass
class Written:
    """What became of everything."""

    problems: list[str]
    log: str
    entries: dict[str, Any]  # by row's name
    documents: dict[str, dict]  # over HTTP, by usage's id
    events: dict[str, dict]  # the newest usage of any event, by usage's id
    dead: dict[str, list]  # by place
    refused: dict[str, tuple[int, list]]  # by row's name: schema id, entries


@pytest.fixture(scope="module")
def written(rig):
    scene = rig.scene("evolution")
    service = scene.service(settings={"workers": 2, "usage.oldest": "100y"})
    service.migrate()
    service.start()
    publisher = Publisher(scene)
    for row in ROWS:
        if row.kind == "rated" and row.reason is None:
            publisher.raw(raw_record(row.name, row.said.get("date", DATE), status="received"), writer=PLAIN)
    publisher.flush()
    wait_settled(scene, publisher.ledger)

    entries = {row.name: _publish(publisher, row) for row in ROWS}
    publisher.flush()
    wait_settled(scene, publisher.ledger)
    for row in ROWS:
        if row.name.endswith(SKIPPING):
            for partition in range(4):
                _publish(publisher, row, partition, "duplicate")
    refused = {}
    for row in REFUSED:
        number = register(rig.registry.url, f"{scene.topic[row.topic]}-value", row.schema)
        refused[row.name] = number, [publisher.bytes(framed(number, bytes([at])), "schema-unsupported", row.topic,
                                                     partition=at) for at in (0, 1, 0, 3)]
    publisher.flush()
    wait_settled(scene, publisher.ledger)

    found = read_outbound(scene)
    made = Written(check(scene, publisher.ledger, found), service.log_text(), entries, {}, {}, {}, refused)
    for row in ROWS:
        answer = service.get(f"/usage/{entries[row.name].usage}")
        if answer.status_code == 200:
            made.documents[entries[row.name].usage] = expect.parse_json(answer.text)
    decoder = Decoder(rig.registry.url)
    for one in (*found["create"], *found["state-change"]):
        usage = decoder.decode(one.value)["event"]["usage"]
        before = made.events.get(str(usage["id"]))
        if before is None or before["revision"] < usage["revision"]:
            made.events[str(usage["id"])] = usage
    for one in found["dead-letter"]:
        place = f"{one.header('usaged.topic')}[{one.header('usaged.partition')}]@{one.header('usaged.offset')}"
        made.dead.setdefault(place, []).append(one)
    scene.stop()
    return made


def _publish(publisher: Publisher, row: Row, partition: Optional[int] = None, outcome: Optional[str] = None) -> Any:
    variant = Variant(row.name, row.schema, row.called)
    if row.reason is None and outcome is None:
        outcome = "changed" if row.kind == "rated" else "created"
    send = publisher.raw if row.kind == "raw" else publisher.rated
    return send(row.record(), partition, writer=variant, reason=row.reason, expect=outcome)


def _expected(row: Row, record: dict) -> dict:
    usage = usage_id("med-演-7", row.name, row.said.get("date", DATE))
    if row.kind == "raw":
        return expect.document(record, usage)
    inner = record["usage"] if row.kind == "partner" else raw_record(row.name, row.said.get("date", DATE),
                                                                     status="received")
    return expect.rated(expect.document(inner, usage), record)


@pytest.mark.parametrize("row", [row for row in ROWS if row.reason is None], ids=lambda row: row.name)
def test_a_record_means_the_same_whatever_its_writers_schema_differs_in(written, row):
    entry = written.entries[row.name]
    dead = [one.header("usaged.text") for one in written.dead.get(entry.place(), ())]

    document, event = written.documents.get(entry.usage), written.events.get(entry.usage)

    assert not dead and document is not None and event is not None, dead
    wanted = _expected(row, entry.record)
    assert document.pop("href").endswith(f"/usage/{entry.usage}")
    assert expect.differences(wanted, document) == []
    assert expect.differences(wanted, expect.from_event(event), event=True) == []
    if "without" not in row.name:
        canonical = _expected(row, row.record())
        assert expect.differences(canonical, document) == [], "it says less than the record"


@pytest.mark.parametrize("row", [row for row in ROWS if row.reason is not None], ids=lambda row: row.name)
def test_a_value_that_only_the_record_makes_bad_is_a_dead_letter_and_not_a_bad_schema(written, row):
    dead = written.dead.get(written.entries[row.name].place(), [])

    assert [one.header("usaged.reason") for one in dead] == [row.reason]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.name)
def test_a_schema_that_cannot_be_matched_is_said_once_with_its_field_and_both_types(written, row):
    number, entries = written.refused[row.name]

    dead = [one for entry in entries for one in written.dead.get(entry.place(), ())]

    assert [one.header("usaged.reason") for one in dead] == ["schema-unsupported"] * len(entries)
    texts = {one.header("usaged.text") for one in dead}
    assert len(texts) == 1 and [part for part in row.says if part not in next(iter(texts))] == [], texts
    if "of the other topic" not in row.name:  # that schema is sound, and may be right elsewhere
        assert len(re.findall(rf"schema is not supported.* schema={number} ", written.log)) == 1


@pytest.mark.parametrize("kind", BASES)
def test_fields_that_are_skipped_are_named_once_a_schema(written, kind):
    lines = [line for line in written.log.splitlines() if "are not read" in line]

    numbers = [re.search(r" schema=(\d+) ", line).group(1) for line in lines]
    row = next(row for row in ROWS if row.name == kind + SKIPPING)
    number = str(int.from_bytes(written.entries[row.name].value[1:5], "big"))

    assert len(numbers) == len(set(numbers))
    names = [one["name"] for one in row.schema["fields"] if one["name"].startswith("extra")]
    said = next(line for line in lines if f" schema={number} " in line)
    assert len(names) == 3 and f'fields="{names[0]}, ' in said


def test_each_of_these_records_has_its_one_outcome(written):
    assert written.problems == []
