"""test_lib - the tests' own tools, held against fixed values and against other people's implementations."""

import io
from decimal import Decimal

import fastavro
import pytest

from lib.expect import differences, document, parse_json, rated
from lib.identity import event_id, murmur2, usage_id
from lib.records import Json, Records, id_of
from lib.schemas import MEDIATION, PLAIN, RAW_WRITERS, ROAMING
from lib.schemas_rated import ENGINE, GUIDING, RATED_PLAIN

KNOWN_ID = "01a20779-75ca-882e-8c96-86cbff439931"


@pytest.mark.parametrize("source, record_id, ms, expected", [
    ("med-gz-02", "20261123-000417-88231", 1795421730250, KNOWN_ID),
    ("med-gz-02", "20261123-000417-88231", 1795421730251, "01a20779-75cb-882e-8c96-86cbff439931"),
    ("计费", "记录-1", 1795421730250, "01a20779-75ca-807c-b292-fe75f50655be"),
])
def test_a_usage_has_the_id_of_its_record(source, record_id, ms, expected):
    assert usage_id(source, record_id, ms) == expected


@pytest.mark.parametrize("revision, expected", [(1, "b03518e3-d0dd-8525-932c-635cfb6956dc"),
                                                (2, "f0626426-f2d4-8370-ab6d-3beb47f0722e")])
def test_an_event_has_the_id_of_its_usage_and_revision(revision, expected):
    assert event_id(KNOWN_ID, revision) == expected


# Kafka's own test of its partitioner.
@pytest.mark.parametrize("key, expected", [(b"21", -973932308), (b"foobar", -790332482),
                                           (b"a-little-bit-long-string", -985981536),
                                           (b"a-little-bit-longer-string", -1486304829),
                                           (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
                                           (b"abc", 479470107)])
def test_murmur2_is_kafkas(key, expected):
    assert murmur2(key) == expected % 2**32


def test_the_same_seed_makes_the_same_records():
    assert Records(7, now_ms=1795421730250).take(50) == Records(7, now_ms=1795421730250).take(50)
    assert Records(7, now_ms=1795421730250).take(50) != Records(8, now_ms=1795421730250).take(50)


def test_a_typical_record_has_about_310_bytes_and_12_characteristics():
    records = Records(1).take(500)
    sizes = [len(PLAIN.encode(PLAIN.carries(record))) for record in records]
    assert 290 <= sum(sizes) / len(sizes) <= 330
    assert all(len(record["usageCharacteristic"]) == 12 for record in records)
    kinds = {type(one["value"]) for record in records for one in record["usageCharacteristic"]}
    assert kinds == {str, int, float, bool, Decimal, Json}


@pytest.mark.parametrize("writer", RAW_WRITERS, ids=lambda writer: writer.name)
def test_each_raw_schema_says_what_the_record_carries(writer):
    for record in Records(3).take(200):
        carried = writer.carries(record)
        read = fastavro.schemaless_reader(io.BytesIO(writer.encode(carried)), writer.parsed)
        values = [one["value"] for one in read["usageCharacteristic"]]
        expected = [{"json": str(one["value"])} if isinstance(one["value"], Json) else one["value"]
                    for one in carried["usageCharacteristic"]]
        assert values == expected
        assert writer.carries(carried) == carried


@pytest.mark.parametrize("writer", [ENGINE, RATED_PLAIN], ids=lambda writer: writer.name)
def test_each_rated_schema_can_be_written(writer):
    source = Records(4)
    for record in source.take(50):
        billed = source.rating_of(record, status="billed")
        for rating in (source.rating_of(record), source.rating_by_id(record), billed):
            carried = writer.carries(rating)
            fastavro.schemaless_reader(io.BytesIO(writer.encode(carried)), writer.parsed)
            assert id_of(carried) == id_of(record)
    with_usage = RATED_PLAIN.carries(source.rating_with(record))
    assert RATED_PLAIN.encode(with_usage)
    assert id_of(with_usage) == id_of(record)
    GUIDING.encode(GUIDING.carries({"usageId": id_of(record), "status": "guided"}))


def test_a_record_becomes_the_documented_usage():
    record = {"source": "med-gz-02", "recordId": "20261123-000417-88231", "usageDate": 1795421730000,
              "usageType": "VOICE", "relatedParty": [{"id": "cust-55810", "role": "subscriber"}],
              "usageCharacteristic": [{"name": "seconds", "value": 187}, {"name": "fee", "value": Decimal("0.6")},
                                      {"name": "cell", "value": Json('{"lac":9527.50}')}]}

    made = document(ROAMING.carries(record), "x")

    assert made == {
        "id": "x", "@type": "Usage", "usageDate": "2026-11-23T08:15:30.000Z", "usageType": "VOICE",
        "status": "received", "usageSpecification": {"id": "default"},
        "usageCharacteristic": [
            {"name": "seconds", "value": 187, "valueType": "integer"},
            {"name": "fee", "value": Decimal("0.600000"), "valueType": "number"},
            {"name": "cell", "value": {"lac": Decimal("9527.50")}, "valueType": "object"},
            {"name": "sourceSystem", "value": "med-gz-02", "valueType": "string"},
            {"name": "sourceRecordId", "value": "20261123-000417-88231", "valueType": "string"}]}


def test_a_rating_fills_in_defaults_and_keeps_digits():
    made = rated({"status": "received"}, ENGINE.carries({"status": "rated", "ratedProductUsage": [
        {"ratingDate": 1795421921007, "taxExcludedRatingAmount": {"unit": "CNY", "value": Decimal("0.6")},
         "taxRate": Decimal(6), "productRef": {"id": "prod-7781"}}]}))

    assert made["status"] == "rated"
    assert differences(made["ratedProductUsage"], parse_json(
        '[{"ratingDate":"2026-11-23T08:18:41.007Z","ratingAmountType":"Total","usageRatingTag":"usage",'
        '"offerTariffType":"Normal","taxExcludedRatingAmount":{"unit":"CNY","value":0.6000},"taxRate":6,'
        '"isTaxExempt":false,"isBilled":false,"productRef":{"id":"prod-7781"}}]')) == []


@pytest.mark.parametrize("expected, found, same", [
    (Decimal("0.60"), Decimal("0.60"), True), (Decimal("0.60"), Decimal("0.6"), False), (Decimal(6), 6, True),
    (1.5, Decimal("1.5"), True), (300.0, 300, True), (300, 300, True), (1, True, False), ("1", 1, False),
])
def test_documents_are_compared_by_their_digits(expected, found, same):
    assert (differences({"a": expected}, {"a": found}) == []) is same


@pytest.mark.parametrize("expected, found, same", [
    (Decimal("187.0000"), 187, True), (Decimal("187.0000"), 187.0, False), (Decimal("1.5000"), 1.5, True),
    (Decimal("0.1234567890123456789"), Json("0.1234567890123456789"), True), (Decimal("1.5"), Json("1.5"), False),
    (300.0, 300, True), ({"a": Decimal("1.50")}, Json('{"a":1.50}'), True), ([], Json("[]"), True), ("1", "1", True),
])
def test_numbers_of_an_event_are_compared_by_their_avro_type(expected, found, same):
    one = {"value": expected, "valueType": "x"}
    assert (differences(one, {"value": found, "valueType": "x"}, event=True) == []) is same


def test_mediations_schema_differs_from_ours_as_foreign_schemas_do():
    names = [field["name"] for field in MEDIATION.schema["fields"]]
    assert MEDIATION.schema["namespace"] != PLAIN.schema["namespace"]
    assert "status" not in names and "recordId" not in names and "collector" in names and "recordQuality" in names
