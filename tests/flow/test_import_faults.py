"""Imports where something is missing: room on a disk, Kafka, the service that stores."""

import http.client
import json
import os
import re
import resource
import signal
import subprocess
import threading
import time

import pytest
from lib.consume import Decoder, read_all
from lib.documents import milliseconds
from lib.http import BASE, client_of
from lib.identity import usage_id
from lib.importing import Import, post_lines
from lib.settle import outcomes
from lib.stream import NDJSON
from rig.wait import until

DATE = "2026-11-20T08:15:30.250Z"
MANY = 10_000  # bad lines: an answer of two megabytes
ROOM = 512 * 1024


def line_of(number):
    return json.dumps({"usageDate": DATE, "usageSpecification": {"id": "s"}, "usageCharacteristic": [
        {"name": "sourceSystem", "value": "faults"}, {"name": "sourceRecordId", "value": str(number)}]}) + "\n"


def lines_of(name, count):
    return "".join(line_of(f"{name}-{i}") for i in range(count))


def id_of(number):
    return usage_id("faults", str(number), milliseconds(DATE))


def mounted(folder, size):
    """A file system of so many bytes at the folder; skips the test where none may be mounted."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"nothing may be mounted here: {done.stderr.decode().strip()}")
    return folder


@pytest.fixture
def disk(tmp_path):
    """`disk(size)` is a folder with room for so many bytes."""
    made = []

    def make(size):
        made.append(mounted(tmp_path / f"disk-{len(made)}", size))
        return made[-1]

    yield make
    for folder in made:
        subprocess.run(["umount", "-l", folder], check=True)


# --- no room ---

def open_files(service):
    return sorted(os.readlink(f"/proc/{service.process.pid}/fd/{one}") for one in os.listdir(f"/proc/{service.process.pid}/fd"))


def temporary(service):
    return [one for one in open_files(service) if "(deleted)" in one]


def long_import(service, name):
    """Good lines, then so many bad ones that the answer has no room."""
    stream = Import(service)
    stream.send(lines_of(name, 1500).encode())
    for _ in range(20):
        stream.send(b"{\n" * (MANY // 20))
    stream.end()
    return stream.answer()


def no_room_is_an_answer_and_nothing_else(scene, service, folder, why):
    client = client_of(service)
    for round_ in range(3):  # what leaked would add up
        status, kind, body = long_import(service, f"room-{round_}")

        error = json.loads(body)
        assert (status, error["status"], kind) == (500, "500", "application/json;charset=utf-8")
        assert "no room for so long an answer" in error["message"] and "fewer lines" in error["message"]
        assert str(folder) not in body  # which is the log's to tell
        until("what was sent before is a usage", lambda: client.get(f"/usage/{id_of(f'room-{round_}-999')}").status == 200)
        until("no file is left", lambda: temporary(service) == [])
    said = re.findall(r" error .*the answer to an import has no room reason=\"(.*)\"", service.log_text())
    assert said == [f"a file in {folder} cannot be written: {why}: make room there, or let TMPDIR name another folder"] * 3
    assert [one["status"] for one in post_lines(service, [line_of("after").encode(), b"{\n"])] == ["queued", "400"]
    assert service.alive() and scene.main.readyz()[0] == 200


def started(rig, name, folder):
    scene = rig.scene(name)
    scene.main = scene.service(env={"TMPDIR": str(folder)})
    scene.main.migrate()
    scene.main.start()
    return scene


def test_a_full_disk_under_the_answers_is_an_error_that_names_it_and_harms_nothing_else(rig, disk):
    folder = disk(ROOM)
    scene = started(rig, "import-full", folder)

    no_room_is_an_answer_and_nothing_else(scene, scene.main, folder, "No space left on device")

    until("all room is there again", lambda: os.statvfs(folder).f_bfree == os.statvfs(folder).f_blocks)
    scene.stop()


def test_so_is_a_limit_on_the_length_of_files(rig, tmp_path):
    scene = started(rig, "import-limit", tmp_path)
    _, hard = resource.prlimit(scene.main.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(scene.main.process.pid, resource.RLIMIT_FSIZE, (ROOM, hard))

    no_room_is_an_answer_and_nothing_else(scene, scene.main, tmp_path, "File too large")

    scene.stop()


def test_an_answer_that_has_room_is_whole_with_a_disk_that_is_full_by_then(rig, disk):
    folder = disk(ROOM)
    scene = started(rig, "import-just", folder)
    stream = Import(scene.main)
    stream.send((b"{" + b" " * 300 + b"\n") * 1000)  # one piece of a body and a little more, which comes with the end
    until("a part of the answer is on the disk", lambda: os.statvfs(folder).f_bfree < os.statvfs(folder).f_blocks)
    time.sleep(0.3)
    filler = os.open(folder / "filler", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space"):
        while True:
            os.write(filler, b"x" * 4096)
    os.close(filler)

    stream.end()
    status, _, body = stream.answer()

    assert status == 200 and [json.loads(one)["line"] for one in body.splitlines()] == list(range(1, 1001))
    scene.stop()


class Command:
    """`usaged import` that runs beside the test."""

    def __init__(self, scene, folder, *words, stdin=None):
        self.errors = folder / f"errors-{time.monotonic_ns()}"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(scene.main.command("import", *map(str, words)), stdin=stdin, cwd=folder, stderr=errors,
                                            stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"]})

    def write(self, text):
        """All of it, at its pace."""
        threading.Thread(target=self._write, args=(text,), daemon=True).start()

    def _write(self, text):
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended, as its code tells

    def said(self):
        return self.errors.read_text().splitlines()

    def wait_said(self, text, seconds):
        return until(f"it says {text!r}", lambda: [one for one in self.said() if text in one], seconds)[0]

    def end(self, seconds=90):
        self.process.wait(seconds)
        out = self.process.stdout.read()
        counts = {row.split()[0]: int(row.split()[1]) for row in out.decode().splitlines()
                  if len(row.split()) == 2 and row.split()[1].isdigit()}
        return self.process.returncode, counts


@pytest.fixture(scope="module")
def storing(rig):
    scene = rig.scene("import-faults")
    scene.main = scene.service()
    scene.main.migrate()
    scene.main.start()
    yield scene
    scene.stop()


def rejected_without_room(scene, tmp_path, file):
    bad = tmp_path / "bad.ndjson"
    bad.write_text(lines_of("rejects", 10) + "{\n" * 5000)

    command = Command(scene, tmp_path, bad, "--rejected", file)
    code, counts = command.end()

    assert code == 1 and counts["queued"] == 10
    said = [one for one in command.said() if "cannot be written" in one]
    assert said == [f"usaged: import: {file} cannot be written: No space left on device: make room there, or name another file "
                    "by --rejected"]
    assert len(command.said()) == 2  # that, and the summary
    topic = scene.topic["import"]  # its outcomes are not waited for; stored later, they would be in the next import's account
    until("the good ones are stored", lambda: sum(outcomes(scene, topic).values()) == sum(
        high for _, high in scene.rig.kafka.watermarks(topic).values()))
    assert client_of(scene.main).get(f"/usage/{id_of('rejects-9')}").status == 200


def test_a_full_disk_under_the_rejected_lines_is_said_once(storing, tmp_path, disk):
    rejected_without_room(storing, tmp_path, disk(64 * 1024) / "rejected")


def test_a_device_may_take_the_rejected_lines_and_is_not_removed(storing, tmp_path):
    full = tmp_path / "full"
    full.symlink_to("/dev/full")

    rejected_without_room(storing, tmp_path, full)

    assert full.is_symlink()


# --- no Kafka ---

@pytest.fixture
def kafka(storing):
    yield storing.rig.kafka
    storing.rig.mend()


def created_once(scene, name, count):
    wanted = {id_of(f"{name}-{i}") for i in range(count)}
    decoder = Decoder(scene.rig.registry.url)

    def made():
        found = (str(decoder.decode(one.value)["event"]["usage"]["id"]) for one in read_all(scene.rig.kafka, [scene.topic["create"]]))
        return [usage for usage in found if usage in wanted]

    until(f"all {count} have an event", lambda: len(made()) >= count, every=0.5)
    assert sorted(made()) == sorted(wanted)


WAITS = re.compile(r"usaged: import: waiting: .+ \(it ends after 60 s, or with Ctrl-C; what was sent stays, and importing it again "
                   r"does not harm\)")


@pytest.mark.parametrize("kind", ["frozen", pytest.param("dead", marks=pytest.mark.long)])
def test_a_kafka_that_goes_away_in_the_middle_is_told_waited_for_and_costs_nothing(storing, kafka, tmp_path, kind):
    name = f"middle-{kind}"
    command = Command(storing, tmp_path, "-", "--format", "ndjson", stdin=subprocess.PIPE)
    command.process.stdin.write(lines_of(name, 3000).encode())
    command.process.stdin.flush()
    client = client_of(storing.main)
    until("some are usages", lambda: client.get(f"/usage/{id_of(f'{name}-999')}").status == 200)

    kafka.freeze() if kind == "frozen" else kafka.kill()
    away = time.monotonic()
    command.write("".join(line_of(f"{name}-{i}") for i in range(3000, 6000)))
    line = command.wait_said("waiting", 30)
    told_after = time.monotonic() - away
    kafka.thaw() if kind == "frozen" else kafka.restart()
    code, counts = command.end()

    assert WAITS.fullmatch(line) and told_after < 20
    assert (code, counts) == (0, {"created": 6000, "duplicate": 0, "dead": 0, "refused": 0}), command.said()
    assert sum("waiting: the brokers" in one for one in command.said()) == 1
    created_once(storing, name, 6000)


def test_a_kafka_that_comes_later_is_waited_for(storing, kafka, tmp_path):
    file = tmp_path / "later.ndjson"
    file.write_text(lines_of("later", 100))
    kafka.freeze()
    command = Command(storing, tmp_path, file)
    line = command.wait_said("waiting", 30)
    kafka.thaw()

    code, counts = command.end()

    assert WAITS.fullmatch(line) and len(command.said()) == 2, command.said()
    assert (code, counts) == (0, {"created": 100, "duplicate": 0, "dead": 0, "refused": 0}), command.said()


def test_it_may_be_ended_while_it_waits(storing, kafka, tmp_path):
    file = tmp_path / "ended.ndjson"
    file.write_text(lines_of("ended", 100))
    kafka.freeze()
    command = Command(storing, tmp_path, file)
    command.wait_said("waiting", 30)

    command.process.send_signal(signal.SIGINT)
    code, _ = command.end(10)

    assert code == 1 and command.said()[-1].startswith("usaged: import: stopped while waiting: ")


@pytest.mark.long
@pytest.mark.parametrize("when", ["start", "middle"])
def test_it_ends_after_its_minute_and_the_same_again_changes_nothing(storing, kafka, tmp_path, when):
    name = f"minute-{when}"
    if when == "middle":
        command = Command(storing, tmp_path, "-", "--format", "ndjson", stdin=subprocess.PIPE)
        command.process.stdin.write(lines_of(name, 3000).encode())
        command.process.stdin.flush()
        client = client_of(storing.main)
        until("some are usages", lambda: client.get(f"/usage/{id_of(f'{name}-999')}").status == 200)
    kafka.freeze()
    begun = time.monotonic()
    if when == "start":
        command = Command(storing, tmp_path, "-", "--format", "ndjson", stdin=subprocess.PIPE)
    command.write("".join(line_of(f"{name}-{i}") for i in range(3000, 6000)))
    code, _ = command.end(120)
    lasted = time.monotonic() - begun
    kafka.thaw()

    assert code == 1 and 55 < lasted < 80, (lasted, command.said())
    assert any("for 60 s now: import again once that has passed" in one for one in command.said())
    whole = tmp_path / "whole.ndjson"
    whole.write_text(lines_of(name, 6000))
    code, counts = Command(storing, tmp_path, whole).end()
    assert code == 0 and counts["dead"] == counts["refused"] == 0
    created_once(storing, name, 6000)


def test_who_imports_while_nobody_stores_is_told(started, tmp_path):
    started.main.stop()
    file = tmp_path / "alone.ndjson"
    file.write_text(lines_of("alone", 10))

    command = Command(started, tmp_path, file)
    line = command.wait_said("does `usaged run` run", 30)
    started.main.start()

    assert f"0 of 10 lines are stored: does `usaged run` run for the group {started.group}?" in line
    assert command.end() == (0, {"created": 10, "duplicate": 0, "dead": 0, "refused": 0})


def test_a_kafka_that_is_away_when_all_is_sent_is_told(rig, tmp_path):
    scene = rig.scene("import-sent")
    scene.main = scene.service()
    scene.main.migrate()
    scene.main.start()
    scene.main.stop()  # nobody stores
    file = tmp_path / "sent.ndjson"
    file.write_text(lines_of("sent", 100))
    command = Command(scene, tmp_path, file)
    command.wait_said("all is in Kafka, 0 of 100 lines are stored", 30)
    rig.kafka.freeze()
    try:
        line = command.wait_said("waiting to see what becomes of it", 60)
    finally:
        rig.kafka.thaw()
    scene.main.start(seconds=90)  # a broker that stood still is coordinator of nothing for ten seconds and more

    code, counts = command.end()

    assert "it ends with Ctrl-C, which does not take back what was sent" in line
    assert (code, counts) == (0, {"created": 100, "duplicate": 0, "dead": 0, "refused": 0}), command.said()
    assert outcomes(scene, scene.topic["import"]) == {"created": 100}
    assert "waiting for controller" not in scene.main.log_text()  # it is asked again who that is
    scene.stop()


# --- no registry ---

def begun(service):
    """An import of which the head alone was sent."""
    connection = http.client.HTTPConnection(service.http, timeout=60)
    connection.putrequest("POST", f"{BASE}/usage")
    connection.putheader("Content-Type", NDJSON)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    return connection


def test_imports_that_a_registry_does_not_answer_are_all_refused_and_go_on_with_it(scene):
    """The second one waits for the first."""
    service = scene.service()
    service.migrate()
    service.start()
    scene.rig.registry.freeze()

    both = [begun(service), begun(service)]
    answers = [connection.getresponse() for connection in both]

    for answer in answers:
        error = json.loads(answer.read())
        assert (answer.status, answer.getheader("Retry-After"), error["status"]) == (503, "1", "503")
        assert "cannot take an import now" in error["message"]  # it was not late
    scene.rig.registry.thaw()
    until("imports are taken", lambda: [one["status"] for one in post_lines(service, [line_of("thawed").encode()])] == ["queued"])


# --- no PostgreSQL ---

def test_postgresql_is_back_when_it_has_answered_not_when_others_have(scene):
    """An import does not need it, nor does the refusal of a registration."""
    service = scene.service()
    service.migrate()
    service.start()
    client = client_of(service)
    scene.rig.postgres.kill()
    for number in range(3):
        client.get("/usage?limit=1").is_error(503)
        assert [one["status"] for one in post_lines(service, [line_of(f"back-{number}").encode()])] == ["queued"]
        client.ask("POST", f"{BASE}/hub", b'{"callback":1}', {"Content-Type": "application/json"}).is_error(400)
    scene.rig.postgres.start()
    nobody = f"{BASE}/usage/01a20779-75ca-8000-8c96-000000000000"
    until("it is known that there is no such usage", lambda: client.ask("DELETE", nobody).status == 404)

    said = re.findall("HTTP waits for the database|HTTP goes on database=back", service.log_text())
    assert said == ["HTTP waits for the database", "HTTP goes on database=back"]
