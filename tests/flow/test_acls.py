"""A broker that lets clients do only what was granted: the rights that the README lists are enough, and each is needed."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lib.http import BASE, client_of
from lib.importing import Import
from lib.publish import Publisher
from lib.records import Records
from lib.settle import outcomes, wait_settled
from rig.kafka import ADMIN, USER, login
from rig.rig import Rig
from rig.wait import until

README = Path(__file__).resolve().parent.parent.parent / "README.md"
INBOUND, OUTBOUND = ("raw", "rated", "import"), ("create", "state-change", "attribute-change", "delete", "specification",
                                        "dead-letter")

# What a row of the README's table is about: kind, the keys of its names, by prefix.
ROWS = {
    "transactional ids with the prefix `<group>-`": ("TRANSACTIONAL_ID", ("group-",), True),
    "the outbound topics": ("TOPIC", OUTBOUND, False),
    "the inbound topics, and `topic.create`": ("TOPIC", (*INBOUND, "create"), False),
    "the groups `<group>` and `<group>-http`": ("GROUP", ("group", "group-http"), False),
}
WORDS = {"Read": "READ", "Write": "WRITE", "Describe": "DESCRIBE", "DescribeConfigs": "DESCRIBE_CONFIGS"}


def in_readme():
    """Each right of the README's table: (right, kind, key of the name, by prefix)."""
    table = README.read_text().partition("### Kafka\n")[2].partition("\n### ")[0]
    rows = [row for row in re.findall(r"^\| (.*?) \| (.*?) \|$", table, flags=re.M) if row[0] not in ("on", "---")]
    assert {on for on, _ in rows} == set(ROWS)
    return [(WORDS[word], kind, key, by_prefix) for on, words in rows for kind, keys, by_prefix in [ROWS[on]]
            for key in keys for word in words.split(", ")]


RIGHTS = in_readme()
SOON_DEAD = {"kafka.session.timeout.ms": 2000, "kafka.heartbeat.interval.ms": 500}


def named(scene, rights):
    """The same with this scene's names."""
    names = {"group-": f"{scene.group}-", "group": scene.group, "group-http": f"{scene.group}-http", "group-replay": f"{scene.group}-replay",
             "group-hub": f"{scene.group}-hub", **scene.topic}
    return [(right, kind, names[key], by_prefix) for right, kind, key, by_prefix in dict.fromkeys(rights)]


def as_user(scene, **settings):
    """A service of a migrated database that has logged in as the user who needs rights."""
    service = scene.service(settings={**{f"kafka.{name}": value for name, value in login(USER).items()}, **settings})
    service.migrate()
    return service


@pytest.fixture(scope="module")
def rig():
    with Rig(kafka_acls=True) as started:
        yield started


# ---- enough ----------------------------------------------------------------------------------------------------------

def test_the_rights_of_the_readme_are_enough_for_the_main_job(scene, publisher, settled_and_right, tmp_path):
    scene.rig.kafka.grant(named(scene, RIGHTS))
    service, source = as_user(scene, **SOON_DEAD), Records(1)
    records = source.take(60)
    publisher.raws(records[:40])
    publisher.flush()

    # Its end between the two commits leaves a batch to what is started next.
    service.start(wait=False, env={"USAGED_FAILPOINT": "before-kafka-commit:kill:2",
                                   "USAGED_FAILPOINT_MARK": str(tmp_path / "mark")})
    service.wait_exit()
    service.start()
    publisher.raws(records[40:])
    for record in records:
        publisher.rated(source.rating_of(record), expect={"changed", "parked"})
    publisher.bytes(b"?", "framing")
    settled_and_right()

    assert service.metric("usaged_takeovers_total", found="ahead") > 0
    assert outcomes(scene)["created"] == 60 and outcomes(scene)["dead"] == 1
    assert service.topics().stdout.count("  ok\n") == 9
    offsets = service.run("offsets").stdout.splitlines()[1:]
    assert len(offsets) == 13 and all(line.endswith("  equal") for line in offsets)
    assert service.stop() == 0


def test_topics_are_made_with_the_right_to_create_them(rig):
    scene = rig.scene("create", create_topics=False)
    service = as_user(scene)
    rig.kafka.grant(named(scene, RIGHTS))

    refused = service.topics(create=True, partitions=1)
    rig.kafka.grant([("CREATE", "TOPIC", f"{scene.name}.", True)])
    made = service.topics(create=True, partitions=1)

    assert refused.returncode == 1
    assert re.fullmatch(rf"usaged: topics: .*grant Create on topic {scene.name}\.\S+\n", refused.stderr)
    assert made.returncode == 0 and made.stdout.count("made ") == 9


# ---- each is needed --------------------------------------------------------------------------------------------------

RIGHT_NAMES = {word: name for name, word in WORDS.items()}
READ, WRITE = "Kafka does not let us: grant Read", "Kafka does not let us: grant Write"

# A right of the README is missing altogether: what the one line says of it. Write on topic.create is not among them: its
# Read lets the topic be seen, so that it is missed with the first event only.
MISSING = {right: {
    "group-": f"{WRITE} on transactional id {{group}}-",
    "group": f"{READ} on group {{group}}",
    "group-http": f"{READ} on group {{group}}-http",
    **{key: f"{READ} on topic {{topic}}" for key in INBOUND},
    **{key: f"grant {RIGHT_NAMES[right[0]]} on topic {{topic}}" for key in OUTBOUND},
}[right[2]] for right in RIGHTS if right != ("WRITE", "TOPIC", "create", False)}
MISSING["READ", "TOPIC", "create", False] = f"{READ} on topic {{topic}}"

# Only seeing the thing is granted. Of a topic Kafka does not say so before the first record is to be taken or published.
ONLY_SEEN = {right: MISSING[right] for right in RIGHTS if right[2] in ("group-", "group", "group-http")}
ONLY_SEEN |= {right: f"{READ} on the inbound topics and Write on the outbound ones: .*{{topic}}\\[0\\]"
              for right in RIGHTS if right[2] in INBOUND}
ONLY_SEEN |= {right: f"{READ} on the inbound topics and Write on the outbound ones: "
              for right in RIGHTS if right[0] == "WRITE" and right[2] in ("create", "dead-letter")}


@pytest.fixture(scope="module")
def starts(rig):
    """What became of each start without one of the rights, and its scene. All at once: some take seconds to be sure."""
    cases = [(right, False) for right in MISSING] + [(right, True) for right in ONLY_SEEN]
    scenes = [rig.scene("without", create_topics=False) for _ in cases]
    rig.kafka.create_topics([name for scene in scenes for name in scene.topic.values()], 1)
    for scene, (right, seen) in zip(scenes, cases):
        left = [one for one in RIGHTS if one != right] + ([("DESCRIBE", *right[1:])] if seen else [])
        rig.kafka.grant(named(scene, left))
        if seen:
            publisher = Publisher(scene)
            publisher.raws(Records(1).take(5))
            publisher.bytes(b"?", "framing")
            publisher.flush()
    with ThreadPoolExecutor(10) as pool:
        ends = pool.map(lambda scene: as_user(scene).run("run", check=False, seconds=180), scenes)
        return dict(zip(cases, zip(scenes, ends)))


def name_of(right):
    return f"{right[0]}-{right[2]}".lower()


def one_line(done):
    """The only line that is worse than a warning."""
    said = [line for line in done.stderr.splitlines() if line.startswith("usaged: ") or " error " in line]
    assert done.returncode == 1 and len(said) == 1, done.stderr
    return said[0]


@pytest.mark.parametrize("right", MISSING, ids=name_of)
def test_a_start_without_a_right_ends_with_a_line_that_names_it(starts, right):
    scene, done = starts[right, False]

    line = one_line(done)

    assert MISSING[right].format(group=scene.group, topic=scene.topic.get(right[2])) in line


@pytest.mark.parametrize("right", ONLY_SEEN, ids=name_of)
def test_to_see_a_thing_is_not_enough_to_start(starts, right):
    scene, done = starts[right, True]

    line = one_line(done)

    assert re.search(ONLY_SEEN[right].format(group=re.escape(scene.group), topic=scene.topic.get(right[2])), line)


def test_commands_name_the_right_that_is_missing(scene):
    kafka, service, raw, delete = scene.rig.kafka, as_user(scene), scene.topic["raw"], scene.topic["delete"]
    configs = ("DESCRIBE_CONFIGS", "TOPIC", "delete", False)

    kafka.grant(named(scene, [right for right in RIGHTS if right[2] not in ("group", "raw") and right != configs]))
    topics, offsets = service.topics(), service.run("offsets", check=False)
    kafka.grant(named(scene, [configs]))
    seen = service.topics()

    assert topics.returncode == 1 and topics.stderr == (
        f"usaged: topics: Kafka does not let us: grant DescribeConfigs on topic {delete}\n")
    assert offsets.returncode == 1 and offsets.stderr == f"usaged: offsets: {READ} on group {scene.group}\n"
    assert seen.returncode == 1 and seen.stdout.count("  ok\n") == 8
    assert re.search(rf"^{re.escape(raw)} .*; or else grant Read on topic {re.escape(raw)}$", seen.stdout, flags=re.M)


# ---- listeners -------------------------------------------------------------------------------------------------------

EVENTS = ("create", "state-change", "attribute-change", "delete", "specification")
HUB = [*(("READ", "TOPIC", key, False) for key in EVENTS), ("READ", "GROUP", "group-hub", False)]


def listened(scene, listener):
    """A running service with a listener, and its API."""
    service = as_user(scene, **SOON_DEAD, **{"hub.allow-networks": "127.0.0.1/32"}).start()
    client = client_of(service)
    answer = ask(client, "POST", "/hub", callback=listener.url)
    assert answer.status == 201, answer
    return service, client


def ask(client, method, path, **body):
    return client.ask(method, BASE + path, json.dumps(body).encode(), {"Content-Type": "application/json"})


def test_the_rights_of_the_readme_are_enough_to_tell_listeners(scene, listening):
    told = " ".join(README.read_text().split())
    assert ("With listeners of the hub it reads the five topics of events, as the group `<group>-hub`: Read on these.") in told
    scene.rig.kafka.grant(named(scene, [*RIGHTS, *HUB]))
    listener = listening()
    service, client = listened(scene, listener)

    usage = ask(client, "POST", "/usage", usageSpecification={"id": "x"}).json()
    specification = ask(client, "POST", "/usageSpecification", name="n").json()
    for path, change in ((f"/usage/{usage['id']}", {"status": "guided"}), (f"/usage/{usage['id']}", {"description": "b"}),
                         (f"/usage/{usage['id']}", None), (f"/usageSpecification/{specification['id']}", {"version": "2"})):
        answer = ask(client, "PATCH" if change else "DELETE", path, **(change or {}))
        assert answer.status in (200, 204), answer

    assert {one.path.rpartition("/")[2] for one in listener.wait(6)} == {
        "usageCreateEvent", "usageStateChangeEvent", "usageAttributeValueChangeEvent", "usageDeleteEvent",
        "usageSpecificationCreateEvent", "usageSpecificationAttributeValueChangeEvent"}
    client.close()
    assert service.stop() == 0


# Read on topic.create is asked for at the start.
@pytest.mark.parametrize("right", [right for right in HUB if right[2] != "create"], ids=name_of)
def test_without_a_right_that_listeners_need_the_first_one_ends_the_start(scene, listening, right):
    scene.rig.kafka.grant(named(scene, [one for one in (*RIGHTS, *HUB) if one != right]))

    service, client = listened(scene, listening())

    assert service.wait_exit() == 1
    kind, name = right[1].lower(), scene.topic.get(right[2], f"{scene.group}-hub")
    assert re.search(rf" error .*{READ} on {kind} {re.escape(name)}", service.log_text())
    client.close()


def test_a_listeners_right_that_is_taken_away_later_is_waited_for(scene, listening):
    kafka, right = scene.rig.kafka, ("READ", "TOPIC", "create", False)
    kafka.grant(named(scene, [*RIGHTS, *HUB]))
    listener = listening()
    service, client = listened(scene, listener)
    ask(client, "POST", "/usage", usageSpecification={"id": "x"})
    listener.wait(1)

    kafka.revoke(named(scene, [right]))
    kafka.grant(named(scene, [("DESCRIBE", *right[1:])]))
    ask(client, "POST", "/usage", usageSpecification={"id": "x"})
    service.wait_log(f"the hub waits .*{READ} on topic {re.escape(scene.topic['create'])}")
    kafka.grant(named(scene, [right]))

    listener.wait(2)
    service.wait_log("the hub goes on ")
    said = [line for line in service.log_text().splitlines() if "the hub waits " in line]
    assert len(said) == 1, said
    client.close()


# ---- usaged replay ---------------------------------------------------------------------------------------------------

REPLAY = [("WRITE", "TRANSACTIONAL_ID", "group-", True), ("READ", "TOPIC", "dead-letter", False),
          ("READ", "GROUP", "group-replay", False), ("WRITE", "TOPIC", "raw", False)]


def test_the_rights_of_the_readme_are_enough_to_send_dead_letters_back_and_each_is_needed(scene, publisher):
    kafka, service, raw, dead = scene.rig.kafka, as_user(scene), scene.topic["raw"], scene.topic["dead-letter"]
    told = " ".join(README.read_text().split())
    assert ("`usaged replay` needs, besides what is above, Read on `topic.dead-letter` and on the group `<group>-replay`, "
            "and Write on the inbound topics") in told
    origin = {"reason": "framing", "topic": raw, "partition": "0", "offset": "7"}
    publisher._producer.produce(dead, b"?", headers=[(f"usaged.{name}", value.encode()) for name, value in origin.items()])
    publisher.flush()
    names = {"TRANSACTIONAL_ID": f"{scene.group}-replay", "GROUP": f"{scene.group}-replay"}
    lines = {}

    kafka.grant(named(scene, REPLAY))
    for right in REPLAY:
        kafka.revoke(named(scene, [right]))
        lines[right, False] = one_line(service.run("replay", check=False))
        kafka.grant(named(scene, [("DESCRIBE", *right[1:])]))
        lines[right, True] = one_line(service.run("replay", check=False))
        kafka.grant(named(scene, [right]))
    done = service.run("replay")

    for (right, _), line in lines.items():
        kind = {"TRANSACTIONAL_ID": "transactional id", "GROUP": "group", "TOPIC": "topic"}[right[1]]
        name = names.get(right[1]) or scene.topic[right[2]]
        assert f"grant {right[0].capitalize()} on {kind} {name}" in line
    assert done.stdout.splitlines()[-1].split() == ["all", "1", "0", "0"]


# ---- imports ---------------------------------------------------------------------------------------------------------

IMPORT = [("WRITE", "TOPIC", "import", False), ("DESCRIBE", "GROUP", "group", False), ("READ", "TOPIC", "dead-letter", False)]


def line_of(number):
    return json.dumps({"usageDate": "2026-11-20T08:15:30.250Z", "usageSpecification": {"id": "s"}, "usageCharacteristic": [
        {"name": "sourceSystem", "value": "acl"}, {"name": "sourceRecordId", "value": str(number)}]}) + "\n"


def posted(service, lines):
    stream = Import(service)
    stream.send("".join(lines).encode())
    stream.end()
    status, _, body = stream.answer()
    return status, body


def counts_of(done):
    rows = [row.split() for row in done.stdout.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2}


def test_an_import_over_http_needs_write_on_its_topic_as_well_and_no_more(scene):
    kafka, topic = scene.rig.kafka, scene.topic["import"]
    told = " ".join(README.read_text().split())
    assert "The service's user needs Write on the first topic of `topic.import`" in told
    kafka.grant(named(scene, RIGHTS))
    service = as_user(scene).start()

    status, body = posted(service, [line_of(1)])
    kafka.grant(named(scene, [IMPORT[0]]))
    granted = until("it takes lines", lambda: (answer := posted(service, [line_of(1)]))[0] == 200 and answer)

    assert status == 503 and f"grant Write on topic {topic}" in json.loads(body)["message"]
    service.wait_log(f"warning .*lines of an import are not taken reason=\"Kafka does not let us: grant Write on topic {re.escape(topic)}\"")
    assert json.loads(granted[1])["status"] == "queued"
    until("it is a usage", lambda: outcomes(scene, topic) == {"created": 1})
    assert service.alive()


def test_the_rights_of_the_readme_are_enough_for_usaged_import_and_each_is_needed(scene, tmp_path):
    kafka, service = scene.rig.kafka, as_user(scene)
    told = " ".join(README.read_text().split())
    assert "so its user needs Describe on the group `<group>` and Read on `topic.dead-letter`, too, but for `--no-wait`" in told
    storing = scene.service("storing", settings={f"kafka.{name}": value for name, value in login(ADMIN).items()}).start()
    file = tmp_path / "lines.ndjson"
    file.write_text(line_of(1) + line_of(2) + line_of(1).replace('"s"', '"other"'))  # the last one is a conflict
    lines = {}

    kafka.grant(named(scene, IMPORT))
    for right in IMPORT:
        kafka.revoke(named(scene, [right]))
        lines[right, False] = service.run("import", str(file), check=False)
        if right[0] != "DESCRIBE":
            kafka.grant(named(scene, [("DESCRIBE", *right[1:])]))
            lines[right, True] = service.run("import", str(file), check=False)
        kafka.grant(named(scene, [right]))
    done = service.run("import", str(file), check=False)
    rejected = [json.loads(line) for line in (tmp_path / "lines.ndjson.rejected").read_text().splitlines()]
    kafka.revoke(named(scene, IMPORT[1:]))
    sent = service.run("import", str(file), "--no-wait")

    for (right, _), one in lines.items():
        kind, name = ("group", scene.group) if right[1] == "GROUP" else ("topic", scene.topic[right[2]])
        said = [line for line in one.stderr.splitlines() if "grant" in line]
        assert one.returncode == 1 and len(said) == 1, one.stderr
        word = "Read" if kind == "group" else right[0].capitalize()  # Read brings Describe with it
        assert f"grant {word} on {kind} {name}" in said[0] or (
            said[0].endswith("or else grant Read on it") and f"topic {name} does not exist" in said[0])
    assert done.returncode == 1 and counts_of(done) == {"created": 0, "duplicate": 2, "dead": 1, "refused": 0}, done.stderr
    assert [(one["line"], one["reason"]) for one in rejected] == [(3, "conflict")]
    assert sent.returncode == 0 and counts_of(sent) == {"queued": 3, "refused": 0}
    assert storing.stop() == 0


# ---- later -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("right, text", [
    (("READ", "TOPIC", "raw", False), f"{READ} on topic {{topic}}"),
    (("WRITE", "TOPIC", "create", False), f"{READ} on the inbound topics and Write on the outbound ones"),
], ids=["read-raw", "write-create"])
def test_a_right_that_is_taken_away_later_is_waited_for(scene, publisher, settled_and_right, right, text):
    kafka = scene.rig.kafka
    kafka.grant(named(scene, RIGHTS))
    service = as_user(scene).start()
    publisher.raws(Records(1).take(20))
    publisher.flush()
    wait_settled(scene, publisher.ledger)

    kafka.revoke(named(scene, [right]))
    publisher.raws(Records(2).take(20))
    publisher.flush()
    wanted = text.format(group=scene.group, topic=scene.topic.get(right[2]))
    until("/readyz names the right", lambda: wanted in service.readyz()[1]["waiting"]["kafka"])
    kafka.grant(named(scene, [right]))

    settled_and_right()
    assert service.alive()


def put(client, number):
    status = client.ask("POST", BASE + "/usage", json.dumps({"usageSpecification": {"id": str(number)}}).encode(),
                        {"Content-Type": "application/json"}).status
    assert status == 201


def unpublished(scene):
    with scene.connect() as db:
        return db.execute("SELECT count(*) FROM outbox WHERE topic = '@http'").fetchone()[0]


@pytest.mark.parametrize("before, right, text", [(0, "group-http", "group {group}-http"), (1, "group-http", "group {group}-http"),
                                                 (1, "create", "topic {topic}")], ids=["group-unused", "group", "topic"])
def test_a_right_that_the_source_http_needs_is_waited_for_too(scene, before, right, text):
    kafka, rights = scene.rig.kafka, named(scene, [one for one in RIGHTS if one[2] == right])
    wanted = f"{READ} on {text.format(group=scene.group, topic=scene.topic['create'])}"
    kafka.grant(named(scene, RIGHTS))
    service = as_user(scene).start()
    service.wait_log("source @http taken over")
    client = client_of(service)
    for number in range(before):  # otherwise the takeover alone has used the right
        put(client, number)
    until("it is published", lambda: unpublished(scene) == 0)

    kafka.revoke(rights)
    put(client, "later")
    until("/readyz names the right", lambda: wanted in service.readyz()[1]["waiting"]["kafka"])
    ended = service.run("offsets", check=False)
    kafka.grant(rights)

    until("what was written is published", lambda: unpublished(scene) == 0 and service.readyz()[0] == 200)
    assert service.alive() and len(re.findall("waiting for=kafka", service.log_text())) == 1
    assert ended.returncode == 1 and ended.stderr == f"usaged: offsets: {wanted}\n"


# ---- the login -------------------------------------------------------------------------------------------------------

def test_a_refused_login_is_said_and_waited_for(scene):
    kafka, refused = scene.rig.kafka, "Kafka refuses the login at {}, see the settings kafka.sasl.*: "
    wanted = refused.format(kafka.bootstrap)
    service = as_user(scene, **{"kafka.sasl.password": "geheim"})

    service.start(wait=False)
    until("/readyz says so", lambda: service.readyz()[1]["waiting"]["kafka"].startswith(wanted))

    assert service.readyz()[0] == 503 and service.alive()
    service.wait_log(f"warning main: waiting for=kafka why=\"{re.escape(wanted)}.*Invalid username or password")
    assert "geheim" not in service.log_text()
    for command in ("topics", "offsets"):
        done = service.run(command, check=False)
        assert done.returncode == 1 and re.fullmatch(f"usaged: {command}: {re.escape(wanted)}.*\n", done.stderr)
    assert service.stop() == 0
