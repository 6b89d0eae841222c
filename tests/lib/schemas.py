"""schemas - writers' schemas, most of them unlike ours: what a mediation or rating system would really register.

A Writer turns a record into Avro under its own schema, and says what of the record its schema can carry: a schema
without `status` makes a record of the default status, and the expected usage follows from that.
"""

import copy
import io
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Callable

import fastavro

from .records import Json, Record

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
STATUSES = ["received", "rejected", "recycled", "guided", "rated", "rerated", "billed"]


def decimal(scale: int, precision: int = 38) -> dict:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def optional(of: Any) -> list:
    return ["null", of]


@dataclass
class Writer:
    """`carries` reduces a record to what this schema can say of it; `datum` makes of that what fastavro writes."""

    name: str
    schema: dict
    carries: Callable[[Record], Record]
    datum: Callable[[Record], dict]
    parsed: Any = field(init=False)

    def __post_init__(self) -> None:
        self.parsed = fastavro.parse_schema(copy.deepcopy(self.schema))

    def encode(self, carried: Record) -> bytes:
        """Avro without the registry's framing."""
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self.parsed, self.datum(carried))
        return out.getvalue()


def _branch(value: Any, json_name: str) -> tuple:
    """A union's value with its branch named, since Python's types alone do not say it."""
    kind = type(value)
    if kind is str:
        return "string", value
    if kind is Json:
        return json_name, {"json": str(value)}
    if kind is bool:
        return "boolean", value
    if kind is int:
        return "long", value
    if kind is float:
        return "double", value
    assert kind is Decimal, value
    return "bytes", value


def _scaled(value: Any, scale: int) -> Any:
    return value.quantize(Decimal(1).scaleb(-scale)) if type(value) is Decimal else value


def _party(party: Record) -> Record:
    return {"referredType": "Customer", **party}


_NEEDED = ("source", "recordId", "usageDate", "usageType")


def _raw(record: Record, scale: int, without: tuple[str, ...] = ()) -> Record:
    """The record with defaults filled in, decimals at the writer's scale, absent fields left out."""
    carried = {key: value for key, value in record.items()
               if key in _NEEDED or value not in (None, [], "") and key not in without}
    if "status" not in carried:
        carried["status"] = "received"
    if "relatedParty" in carried:
        carried["relatedParty"] = [_party(party) for party in carried["relatedParty"]]
    if "usageCharacteristic" in carried:
        carried["usageCharacteristic"] = [{**one, "value": _scaled(one["value"], scale)}
                                          for one in carried["usageCharacteristic"]]
    return carried


# ---- raw, as the specification prints it -------------------------------------------------------------------------

def raw_fields(scale: int) -> list:
    characteristic = {"type": "record", "name": "UsageCharacteristic", "fields": [
        {"name": "name", "type": "string"},
        {"name": "value", "type": ["string", "long", "double", "boolean", decimal(scale),
                                   {"type": "record", "name": "Json", "fields": [{"name": "json", "type": "string"}]}]},
        {"name": "valueType", "type": optional("string"), "default": None},
        {"name": "id", "type": optional("string"), "default": None}]}
    party = {"type": "record", "name": "RelatedParty", "fields": [
        {"name": "id", "type": "string"},
        {"name": "role", "type": optional("string"), "default": None},
        {"name": "name", "type": optional("string"), "default": None},
        {"name": "href", "type": optional("string"), "default": None},
        {"name": "referredType", "type": "string", "default": "Customer"}]}
    specification = {"type": "record", "name": "UsageSpecificationRef", "fields": [
        {"name": "id", "type": "string"},
        {"name": "name", "type": optional("string"), "default": None},
        {"name": "href", "type": optional("string"), "default": None}]}
    return [
        {"name": "source", "type": "string"},
        {"name": "recordId", "type": "string"},
        {"name": "usageDate", "type": MILLIS},
        {"name": "usageType", "type": "string"},
        {"name": "status", "type": {"type": "enum", "name": "UsageStatus", "symbols": STATUSES}, "default": "received"},
        {"name": "description", "type": optional("string"), "default": None},
        {"name": "usageSpecification", "type": optional(specification), "default": None},
        {"name": "relatedParty", "type": {"type": "array", "items": party}, "default": []},
        {"name": "usageCharacteristic", "type": {"type": "array", "items": characteristic}, "default": []}]


def _values(record: Record, json_name: str) -> list:
    return [{**one, "value": _branch(one["value"], json_name)} for one in record.get("usageCharacteristic", ())]


PLAIN = Writer(
    "plain",
    {"type": "record", "name": "RawUsage", "namespace": "usaged.v1", "fields": raw_fields(9)},
    lambda record: _raw(record, 9),
    lambda carried: {**carried, "usageCharacteristic": _values(carried, "usaged.v1.Json")})

# ---- raw, as a mediation system has it: another namespace and order, an extra enum and an extra nested record, the
# status left to its default, the record's id under another name with an alias, microseconds, unions turned round ------

MEDIATION_SCHEMA = {
    "type": "record", "name": "RawUsage", "namespace": "com.example.mediation.v3",
    "doc": "One call record as the collector hands it on", "fields": [
        {"name": "recordQuality", "type": {"type": "enum", "name": "Quality", "symbols": ["GOOD", "REPAIRED", "GUESSED"]},
         "default": "GOOD"},
        {"name": "usageCharacteristic", "default": [], "type": {"type": "array", "items": {
            "type": "record", "name": "UsageCharacteristic", "fields": [
                {"name": "valueType", "type": ["null", "string"], "default": None},
                {"name": "value", "type": [
                    {"type": "record", "name": "Json", "fields": [{"name": "json", "type": "string"}]},
                    "boolean", "int", "long", decimal(4, 18), "double", "string"]},
                {"name": "name", "type": "string"}]}}},
        {"name": "cdrId", "aliases": ["recordId"], "type": "string"},
        {"name": "collector", "type": {"type": "record", "name": "Collector", "fields": [
            {"name": "host", "type": "string"},
            {"name": "file", "type": {"type": "record", "name": "File", "fields": [
                {"name": "name", "type": "string"}, {"name": "line", "type": "long"},
                {"name": "tags", "type": {"type": "map", "values": "string"}}]}}]}},
        {"name": "usageType", "type": "string"},
        {"name": "usageDate", "type": MICROS},
        {"name": "relatedParty", "default": [], "type": {"type": "array", "items": {
            "type": "record", "name": "Party", "aliases": ["RelatedParty"], "fields": [
                {"name": "role", "type": "string"},
                {"name": "id", "type": "string"},
                {"name": "name", "type": ["string", "null"], "default": ""},
                {"name": "referredType", "type": "string", "default": "Customer"}]}}},
        {"name": "usageSpecification", "default": None, "type": ["null", {
            "type": "record", "name": "UsageSpecificationRef", "fields": [{"name": "id", "type": "string"}]}]},
        {"name": "description", "type": ["string", "null"], "default": ""},
        {"name": "source", "type": "string"}]}


def _mediation_carries(record: Record) -> Record:
    carried = _raw(record, 4, without=("status",))
    if "usageSpecification" in carried:
        carried["usageSpecification"] = {"id": carried["usageSpecification"]["id"]}
    carried["relatedParty"] = [{key: value for key, value in party.items() if key != "href"}
                               for party in carried.get("relatedParty", ())]
    carried["usageCharacteristic"] = [{key: value for key, value in one.items() if key != "id"}
                                      for one in carried.get("usageCharacteristic", ())]
    return {key: value for key, value in carried.items() if value != []}


def _mediation_datum(carried: Record) -> dict:
    return {
        "recordQuality": "REPAIRED" if carried["usageDate"] % 7 == 0 else "GOOD",
        "usageCharacteristic": _values(carried, "com.example.mediation.v3.Json"),
        "cdrId": carried["recordId"],
        "collector": {"host": "collector-3", "file": {"name": "GZ02_0417.dat", "line": carried["usageDate"] % 5000,
                                                      "tags": {"shift": "夜"}}},
        "usageType": carried["usageType"],
        "usageDate": carried["usageDate"] * 1000 + 999,  # cut to milliseconds, towards the past
        "relatedParty": [{"role": "subscriber", "name": None, **party} for party in carried.get("relatedParty", ())],
        "usageSpecification": carried.get("usageSpecification"),
        "description": carried.get("description"),
        "source": carried["source"]}


MEDIATION = Writer("mediation", MEDIATION_SCHEMA, _mediation_carries, _mediation_datum)

# ---- raw, as an old roaming hub has it: a bare long for the date, plain types where ours are unions and unions where
# ours are plain, the type in bytes, no parties and no specification -----------------------------------------------

ROAMING = Writer(
    "roaming",
    {"type": "record", "name": "RawUsage", "namespace": "org.example.tap", "fields": [
        {"name": "usageDate", "type": "long"},
        {"name": "usageType", "type": "bytes"},
        {"name": "source", "type": ["string", "null"]},
        {"name": "id", "aliases": ["recordId"], "type": "string"},
        {"name": "description", "type": "string"},
        {"name": "usageCharacteristic", "type": {"type": "array", "items": {
            "type": "record", "name": "UsageCharacteristic", "fields": [
                {"name": "name", "type": "string"},
                {"name": "value", "type": ["string", "long", "double", "boolean", decimal(6, 20), {
                    "type": "record", "name": "Json", "fields": [{"name": "json", "type": "string"}]}]}]}}}]},
    lambda record: {**_raw({key: value for key, value in record.items() if key in (
        "source", "recordId", "usageDate", "usageType", "description")}, 6),
        "usageCharacteristic": [{"name": one["name"], "value": _scaled(one["value"], 6)}
                                for one in record.get("usageCharacteristic", ())]},
    lambda carried: {
        "usageDate": carried["usageDate"], "usageType": carried["usageType"].encode(), "source": carried["source"],
        "id": carried["recordId"], "description": carried.get("description", ""),
        "usageCharacteristic": _values(carried, "org.example.tap.Json")})

RAW_WRITERS = (MEDIATION, PLAIN, ROAMING)
