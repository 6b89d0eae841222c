"""What one service exports another imports: records of topic.import, a stream over HTTP, and `usaged import`."""

import hashlib
import json
from collections import Counter

import pytest
from lib.consume import Decoder, read_all
from lib.documents import document_of, milliseconds, publish_documents
from lib.http import BASE, client_of
from lib.identity import usage_id
from lib.importing import Import, post_lines
from lib.publish import Publisher
from lib.records import Records
from lib.schemas_rated import RATED_PLAIN
from lib.settle import outcomes, wait_settled
from rig.wait import until

DATE = "2026-11-20T08:15:30.250Z"


def ran(rig, name):
    scene = rig.scene(name)
    service = scene.service()
    service.migrate()
    scene.main = service.start()
    scene.client = client_of(service)
    return scene


@pytest.fixture(scope="module")
def exported(rig):
    """The lines of a service that has had records of both kinds and changes over HTTP."""
    scene = ran(rig, "exporter")
    publisher, records = Publisher(scene), Records(seed=7)
    calls = records.take(120)
    publisher.raws(calls)
    publisher.flush()
    for call in calls[:60]:
        publisher.rated(records.rating_of(call))
    publisher.rated(records.rating_with(records.next()), writer=RATED_PLAIN)
    for call in calls[:10]:
        publisher.rated(records.rating_of(call, status="billed", ratedProductUsage=[]))
    publisher.flush()
    wait_settled(scene, publisher.ledger)
    answer = scene.client.ask("GET", f"{BASE}/usage", headers={"Accept": "application/x-ndjson"})
    assert answer.status == 200
    lines = answer.text.splitlines()
    assert len(lines) == 121
    yield lines
    scene.stop()


def shown(scene):
    """All usages as GET shows them, but for href, by id."""
    answer = scene.client.ask("GET", f"{BASE}/usage", headers={"Accept": "application/x-ndjson"})
    base = scene.main.base + "/usage/"
    found = {}
    for line in answer.text.splitlines():
        usage = json.loads(line)
        found[usage["id"]] = line.replace(f'"href":"{base}{usage["id"]}",', "", 1)
        assert found[usage["id"]] != line
    return found


def without_href(lines):
    made = {}
    for line in lines:
        usage = json.loads(line)
        made[usage["id"]] = line.replace(f'"href":"{usage["href"]}",', "", 1)
    return made


def wait_imported(scene, count):
    until(f"{count} records of the import have an outcome",
          lambda: sum(outcomes(scene, scene.topic["import"]).values()) >= count)


def events(scene):
    return read_all(scene.rig.kafka, scene.outbound)


@pytest.fixture(scope="module")
def importer(rig):
    scene = ran(rig, "importer")
    yield scene
    scene.stop()


def line_of(number, **attributes):
    """A usage with a natural key."""
    return json.dumps({"usageDate": DATE, "usageSpecification": {"id": "s"}, "usageCharacteristic": [
        {"name": "sourceSystem", "value": "partner"}, {"name": "sourceRecordId", "value": str(number)}], **attributes}).encode()


def id_of(number, source="partner"):
    return usage_id(source, str(number), milliseconds(DATE))


# --- records of topic.import ---

def test_an_export_that_is_imported_is_the_same_usages_byte_for_byte(importer, exported):
    count = publish_documents(importer, map(document_of, exported))
    wait_imported(importer, count)

    assert outcomes(importer, importer.topic["import"]) == {"created": count}
    assert shown(importer) == without_href(exported)
    first = events(importer)
    assert len(first) == count and {one.topic for one in first} == {importer.topic["create"]}

    publish_documents(importer, map(document_of, exported))
    wait_imported(importer, 2 * count)

    assert outcomes(importer, importer.topic["import"]) == {"created": count, "duplicate": count}
    assert len(events(importer)) == count
    assert shown(importer) == without_href(exported)


def test_records_are_judged_by_the_table_and_a_bad_one_costs_no_other(rig):
    scene = ran(rig, "documents")
    decoder = Decoder(rig.registry.url)
    rating = {"ratingDate": DATE, "taxExcludedRatingAmount": {"unit": "CNY", "value": 1}, "taxRate": 6,
              "taxIncludedRatingAmount": {"unit": "CNY", "value": 1.06}, "productRef": {"id": "p"}}
    publisher, records = Publisher(scene), Records(seed=8)
    call = records.next()
    publisher.raw(call)
    publisher.rated({**records.rating_by_id(call), "usageId": id_of(1)}, expect="parked")
    publisher.flush()
    until("the rating is parked", lambda: outcomes(scene).get("parked") == 1)

    documents = [
        document_of(line_of(1).decode()),  # for which a rating waits
        document_of(line_of(2, status="rejected", description="no tariff").decode()),
        document_of(line_of(3, status="rated", ratedProductUsage=[rating]).decode()),
        document_of(line_of(3).decode()),  # a copy but for its status and rating
        document_of(line_of(2, description="another").decode()),
        {**document_of(line_of(4).decode()), "recordId": ""},
        {**document_of(line_of(5).decode()), "document": "{"},
        {**document_of(line_of(6).decode()), "usageDate": milliseconds(DATE) + 1},
        document_of(line_of(7, status="billed").decode()),
        document_of(line_of(8, status="Billed").decode()),
        document_of(line_of(9, usageDate="1999-01-01T00:00:00Z").decode()),
        {**document_of(line_of(10).decode()), "document": "{}"},
        document_of(line_of(11, usageType="VOICE", relatedParty=[{"id": "c"}]).decode()),
    ]
    publish_documents(scene, documents)
    wait_imported(scene, len(documents))

    assert outcomes(scene, scene.topic["import"]) == {"created": 3, "duplicate": 1, "dead": 9}
    until("all is published", lambda: len(events(scene)) == 14)
    letters = read_all(rig.kafka, [scene.topic["dead-letter"]])
    reasons = {decoder.decode(one.value)["document"]: one.header("usaged.reason") for one in letters}
    assert sorted(reasons.values()) == sorted(["conflict", "missing", "value", "value", "incomplete", "status", "date", "missing",
                                               "value"])
    assert {one.header("usaged.topic") for one in letters} == {scene.topic["import"]}
    assert scene.client.get(f"/usage/{id_of(1)}").json()["status"] == "rated"
    assert scene.client.get(f"/usage/{id_of(2)}").json()["description"] == "no tariff"
    assert scene.client.get(f"/usage/{id_of(3)}").json()["status"] == "rated"
    by_type = Counter(one.topic.rpartition(".")[2] for one in events(scene))
    assert by_type == {"create": 4, "state-change": 1, "dead-letter": 9}
    scene.stop()


# --- HTTP ---

def test_a_stream_is_answered_line_by_line_and_queued_lines_become_usages(importer, exported):
    good, plain = line_of("http-1", status="guided"), json.dumps({"usageDate": DATE, "usageSpecification": {"id": "n"}}).encode()
    lines = [good + b"\n", b"\r\n", b"{\n", b"  \t\n", plain + b"\r\n", b"[]\n", b'{"usageSpecification":{"id":"x"}}\n',
             b'{"usageDate":"%s"}\n' % DATE.encode(), b'\xff\n', good.replace(b"guided", b"Guided") + b"\n", exported[0].encode() + b"\n",
             b"x" * 600_000 + b"\n", plain]  # the last line has no end

    answers = post_lines(importer.main, lines)

    digest = hashlib.sha256(plain).hexdigest()
    queued = {1: id_of("http-1"), 5: id_of(digest, "import"), 11: json.loads(exported[0])["id"], 13: id_of(digest, "import")}
    assert [one["line"] for one in answers] == [1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    for one in answers:
        if one["line"] in queued:
            assert one == {"line": one["line"], "status": "queued", "id": queued[one["line"]]}
        else:
            assert one.keys() == {"line", "status", "error"} and one["status"] == "400"
            error = one["error"]
            assert (error["code"], error["status"], error["reason"], error["@type"]) == ("ERR400", "400", "Bad Request", "Error")
    said = {one["line"]: one["error"]["message"] for one in answers if "error" in one}
    assert said[7].startswith("usageDate is absent") and said[12].endswith("which is record.max-bytes")
    for usage in queued.values():
        until("it is a usage", lambda: importer.client.get(f"/usage/{usage}").status == 200)
    made = importer.client.get(f"/usage/{queued[5]}").json()
    assert [(one["name"], one["value"]) for one in made["usageCharacteristic"]] == [("sourceSystem", "import"),
                                                                                   ("sourceRecordId", digest)]
    assert importer.client.get(f"/usage/{queued[1]}").json()["status"] == "guided"
