"""What one service exports another imports: records of topic.import, a stream over HTTP, and `usaged import`."""

import hashlib
import http.client
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
from lib.stream import NDJSON
from rig.wait import until

DATE = "2026-11-20T08:15:30.250Z"
SOON_DEAD = {"kafka.session.timeout.ms": 2000, "kafka.heartbeat.interval.ms": 500}


def ran(rig, name, **settings):
    scene = rig.scene(name, settings=settings)
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
    answer = scene.client.ask("GET", f"{BASE}/usage", headers={"Accept": NDJSON})
    assert answer.status == 200
    lines = answer.text.splitlines()
    assert len(lines) == 121
    yield lines
    scene.stop()


def shown(scene):
    """All usages as GET shows them, but for href, by id."""
    answer = scene.client.ask("GET", f"{BASE}/usage", headers={"Accept": NDJSON})
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
    until("all are told", lambda: len(events(importer)) >= count)  # which comes after they are stored
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


def test_an_import_of_nothing_is_an_answer_without_lines(importer):
    assert post_lines(importer.main, []) == []
    assert post_lines(importer.main, [b"\n \r\n\t"]) == []
    empty = importer.client.ask("POST", f"{BASE}/usage", b"", {"Content-Type": NDJSON})
    assert (empty.status, empty.text) == (200, "")


def test_a_media_type_may_have_parameters_and_what_is_none_is_refused(importer):
    def ask(kind, query="", **head):
        return importer.client.ask("POST", f"{BASE}/usage{query}", line_of("media"), {"Content-Type": kind, **head})

    answer = ask("application/x-ndjson; charset=utf-8")
    assert answer.status == 200 and json.loads(answer.text)["status"] == "queued"
    assert "application/x-ndjson" in ask("text/csv").is_error(415)
    ask(NDJSON, **{"Content-Encoding": "gzip"}).is_error(415)
    ask(NDJSON, "?fields=id").is_error(400)


def test_only_a_token_that_writes_imports_and_the_log_has_its_name(rig, tmp_path):
    scene = rig.scene("import-tokens")
    tokens = tmp_path / "tokens"
    tokens.write_text("".join(f"{hashlib.sha256(token.encode()).hexdigest()} {name} {right}\n"
                              for token, name, right in (("r", "analyst", "read"), ("w", "partner", "write"))))
    service = scene.service(settings={"http.tokens": tokens})
    service.migrate()
    service.start()

    for token, status in ((None, 401), ("r", 403)):
        stream = Import(service, token)
        assert stream.answer()[0] == status  # before anything of the body is sent
    answers = post_lines(service, [line_of(1) + b"\n", b"x\n"], "w")

    assert [one["status"] for one in answers] == ["queued", "400"]
    service.wait_log(r"imported over HTTP token=partner lines=2 queued=1 refused=1 failed=0 ended=answered")
    scene.stop()


def test_no_more_run_at_once_than_may_and_who_leaves_makes_room(importer):
    log = importer.main.log_text().count("ended=early")
    streams = [Import(importer.main) for _ in range(17)]  # which of them comes too late is not said
    for stream in streams:
        stream.send(b"\n")

    refused = until("one is answered", lambda: next((one for one in streams if not one.is_silent()), None))
    status, _, body = refused.answer()

    assert status == 503 and "16 imports are running" in json.loads(body)["message"]
    streams.remove(refused)
    for stream in streams:
        stream.leave()
    until("all have ended", lambda: importer.main.log_text().count("ended=early") == log + 16)
    assert [one["status"] for one in post_lines(importer.main, [line_of("room")])] == ["queued"]


def test_what_a_client_has_sent_that_leaves_stays(importer):
    lines = [line_of(f"left-{i}") + b"\n" for i in range(3000)]
    stream = Import(importer.main)
    stream.send(b"".join(lines))  # some 400 kB: a piece and a half
    until("the first piece is a batch of usages", lambda: importer.client.get(f"/usage/{id_of('left-999')}").status == 200)

    stream.leave()

    importer.main.wait_log(r"lines=\d+ queued=[1-9]\d{3} refused=0 failed=0 ended=early")
    assert all(one["status"] == "queued" for one in post_lines(importer.main, lines))
    until("the rest is there", lambda: importer.client.get(f"/usage/{id_of('left-2999')}").status == 200)


def lines_of(name, count):
    return [line_of(f"{name}-{i}") + b"\n" for i in range(count)]


def created_once(scene, name, count):
    """Each usage is there, and has one event."""
    wanted = {id_of(f"{name}-{i}") for i in range(count)}
    decoder = Decoder(scene.rig.registry.url)

    def made():
        found = Counter(str(decoder.decode(one.value)["event"]["usage"]["id"]) for one in events(scene)
                        if one.topic == scene.topic["create"])
        return {usage: times for usage, times in found.items() if usage in wanted}

    until(f"all {count} have an event", lambda: len(made()) == count, every=0.5)
    assert set(made().values()) == {1}
    assert wanted <= shown(scene).keys()


@pytest.mark.parametrize("place", ["import-queued:kill:2", "before-kafka-commit:kill:2", *(
    pytest.param(place, marks=pytest.mark.long) for place in ("in-copy:kill:1", "before-commit:kill:1"))])
def test_a_kill_in_the_middle_loses_nothing_and_the_same_again_doubles_nothing(rig, tmp_path, place):
    scene = rig.scene("import-kill", settings=SOON_DEAD)
    scene.main = scene.service()
    scene.main.migrate()
    scene.main.start(env={"USAGED_FAILPOINT": place, "USAGED_FAILPOINT_MARK": str(tmp_path / "mark")})
    lines = lines_of("kill", 4000)
    stream = Import(scene.main)
    try:
        for line in lines:
            stream.send(line)
        stream.end()
        stream.answer()
    except (OSError, http.client.HTTPException):
        pass
    scene.main.wait_exit()
    stream.leave()

    scene.main.start()
    scene.client = client_of(scene.main)
    assert all(one["status"] == "queued" for one in post_lines(scene.main, lines))

    created_once(scene, "kill", 4000)
    scene.stop()


def test_without_kafka_a_stream_is_503_and_lines_that_come_later_are(importer):
    kafka = importer.rig.kafka
    stream = Import(importer.main)
    stream.send(b"".join(lines_of("away", 3000)))
    until("a piece is queued", lambda: importer.client.get(f"/usage/{id_of('away-999')}").status == 200)
    kafka.freeze()
    refused = Import(importer.main)
    status, kind, body = refused.answer()
    assert (status, kind) == (503, "application/json;charset=utf-8")
    assert json.loads(body)["status"] == "503"

    stream.send(b"".join(line_of(f"away-{i}") + b"\n" for i in range(3000, 6000)))
    stream.end()
    status, _, body = stream.answer()
    kafka.thaw()

    answers = [json.loads(line) for line in body.splitlines()]
    assert status == 200 and [one["line"] for one in answers] == list(range(1, 6001))
    assert {one["status"] for one in answers[:1000]} == {"queued"}
    assert {one["status"] for one in answers[1000:3000]} <= {"queued", "503"}  # some were on their way
    assert {(one["status"], one["error"]["code"]) for one in answers[3000:]} == {("503", "ERR503")}
    until("all are queued", lambda: all(one["status"] == "queued" for one in post_lines(importer.main, lines_of("away", 6000))))
    created_once(importer, "away", 6000)


def memory_of(scene, service, name, count):
    """The peak of the process in MiB once it has taken so many lines, read and answered as they come."""
    answers = post_lines(service, (line_of(f"{name}-{i}", description="x" * 500) + b"\n" for i in range(count)))
    assert len(answers) == count and {one["status"] for one in answers} == {"queued"}
    until("all are stored", lambda: scene.client.get(f"/usage/{id_of(f'{name}-{count - 1}')}").status == 200, 120)
    return service.peak_memory_mib()


@pytest.mark.long
def test_a_stream_of_any_length_takes_the_same_memory(rig):
    scene = rig.scene("import-memory", partitions=1)
    scene.main = scene.service("a")
    scene.main.migrate()
    scene.main.start()
    scene.client = client_of(scene.main)
    other = scene.service("z").start()  # has none of the partitions, so what it takes is the import's
    idle = other.peak_memory_mib()

    first, second = memory_of(scene, other, "short", 20_000), memory_of(scene, other, "long", 200_000)

    print(f"peak: {idle:.1f} MiB before, {first:.1f} after 20,000 lines, {second:.1f} after 200,000 more")
    assert "partition taken over" not in other.log_text()
    assert first < idle + 8 and second < first + 2
    scene.stop()


@pytest.mark.long
def test_an_import_beside_its_own_storing_stays_below_what_ingestion_may_take(rig):
    scene = ran(rig, "import-beside")

    peak = memory_of(scene, scene.main, "beside", 300_000)

    print(f"peak: {peak:.0f} MiB")
    assert peak * 2**20 < 128_000_000
    scene.stop()
