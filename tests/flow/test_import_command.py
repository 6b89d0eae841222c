"""`usaged import`: files of CSV and JSON lines, what becomes of their lines, and which of them are no usages."""

import itertools
import json
import os
import subprocess

import pytest
from lib.documents import milliseconds
from lib.http import client_of
from lib.identity import usage_id
from lib.peak import peak_of
from lib.publish import Publisher
from lib.records import Records
from lib.settle import outcomes, wait_settled
from lib.stream import CSV, NDJSON, export
from lib.terminal import Terminal
from rig.wait import until

DATE = "2026-11-20T08:15:30.250Z"
NAMES = "usageDate,usageSpecification,usageCharacteristic,status,description"


class Importing:
    """A scene with a running service, and its command."""

    def __init__(self, rig, name, folder):
        self.scene = rig.scene(name)
        self.service = self.scene.service()
        self.service.migrate()
        self.service.start()
        self.folder = folder

    def run(self, *words, text=None, terminal=None):
        """`usaged import` in the folder; its exit code, what it counts, and what it says."""
        done = subprocess.run(self.service.command("import", *map(str, words)), input=text, stdout=subprocess.PIPE, check=False,
                              stderr=terminal or subprocess.PIPE, cwd=self.folder, timeout=120, env={"PATH": os.environ["PATH"]})
        counts = {row.split()[0]: int(row.split()[1]) for row in done.stdout.decode().splitlines()
                  if len(row.split()) == 2 and row.split()[1].isdigit()}
        return done.returncode, counts, (done.stderr or b"").decode()

    def write(self, name, text):
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def rejected(self, name):
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else None

    def usages(self):
        """But for href, by id."""
        lines = export(self.service.http).splitlines()
        return {json.loads(line)["id"]: line.replace(self.service.base, "") for line in lines}


@pytest.fixture(scope="module")
def importing(rig, tmp_path_factory):
    made = Importing(rig, "import", tmp_path_factory.mktemp("import"))
    yield made
    made.scene.stop()


@pytest.fixture(scope="module")
def exported(rig, tmp_path_factory):
    """A service with usages of its own, and what it exports in both formats."""
    made = Importing(rig, "exported", tmp_path_factory.mktemp("exported"))
    publisher, records = Publisher(made.scene), Records(seed=17)
    calls = records.take(200)
    publisher.raws(calls)
    publisher.flush()
    for call in calls[::2]:
        publisher.rated(records.rating_of(call))
    publisher.flush()
    wait_settled(made.scene, publisher.ledger)
    yield made, {"csv": export(made.service.http, accept=CSV), "ndjson": export(made.service.http, accept=NDJSON)}
    made.scene.stop()


def line_of(number, **attributes):
    return json.dumps({"usageDate": DATE, "usageSpecification": {"id": "s"}, "usageCharacteristic": [
        {"name": "sourceSystem", "value": "file"}, {"name": "sourceRecordId", "value": str(number)}], **attributes})


def id_of(number):
    return usage_id("file", str(number), milliseconds(DATE))


def cell(text):
    return '"' + text.replace('"', '""') + '"'


def row_of(number, status="received", description=""):
    characteristics = [{"name": "sourceSystem", "value": "file"}, {"name": "sourceRecordId", "value": str(number)}]
    return ",".join([DATE, cell('{"id":"s"}'), cell(json.dumps(characteristics)), status, cell(description)])


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_what_one_exports_another_imports_and_twice_changes_nothing(rig, exported, tmp_path, kind):
    source, texts = exported
    target = Importing(rig, f"target-{kind}", tmp_path)
    file = target.write(f"all.{kind}", texts[kind])

    code, counts, said = target.run(file)

    assert (code, counts) == (0, {"created": 200, "duplicate": 0, "dead": 0, "refused": 0}), said
    assert target.usages() == source.usages()
    assert target.rejected(f"all.{kind}.rejected") is None

    code, counts, said = target.run(file)

    assert (code, counts) == (0, {"created": 0, "duplicate": 200, "dead": 0, "refused": 0}), said
    assert target.usages() == source.usages()
    target.scene.stop()


def test_bad_lines_are_told_with_number_and_reason_and_the_others_are_taken(importing):
    lines = [line_of(1), "", line_of(2, status="Rated"), "{", line_of(1, description="another"), line_of(3),
             '{"usageSpecification":{"id":"x"}}', json.dumps({"usageDate": DATE}), "x" * 600_000]
    file = importing.write("bad.ndjson", "\r\n".join(lines))

    code, counts, said = importing.run(file)

    assert (code, counts) == (1, {"created": 2, "duplicate": 0, "dead": 1, "refused": 5}), said
    assert "bad.ndjson.rejected" in said
    found = importing.rejected("bad.ndjson.rejected")
    assert {one["line"]: one["reason"] for one in found} == {3: "status", 4: "value", 5: "conflict", 7: "missing", 8: "missing",
                                                             9: "too-large"}
    assert all(one["message"] for one in found)

    code, counts, said = importing.run(importing.write("bad.ndjson", line_of(1)))

    assert (code, counts["duplicate"]) == (0, 1)
    assert importing.rejected("bad.ndjson.rejected") is None  # not of the run before


def test_csv_is_read_by_its_names_and_bad_records_cost_no_other(importing):
    rows = [NAMES, row_of("c1"), row_of("c2", "guided", 'of "two"\r\nlines, and more'), "", row_of("c3") + ",more", row_of("c4", 'gui"ded'),
            f"{DATE},{{,,,", row_of("c5", "nothing"), row_of("c7", description="x" * 1_100_000), row_of("c6")]
    file = importing.write("bad.csv", "\ufeff" + "\r\n".join(rows) + "\r\n")

    code, counts, said = importing.run(file)

    assert (code, counts) == (1, {"created": 3, "duplicate": 0, "dead": 0, "refused": 5}), said
    assert {one["line"]: one["reason"] for one in importing.rejected("bad.csv.rejected")} == {
        6: "value", 7: "value", 8: "value", 9: "status", 10: "too-large"}
    client = client_of(importing.service)
    assert client.get(f"/usage/{id_of('c2')}").json()["description"] == 'of "two"\r\nlines, and more'
    assert [client.get(f"/usage/{id_of(one)}").status for one in ("c1", "c3", "c4", "c5", "c6")] == [200, 404, 404, 404, 200]


@pytest.mark.parametrize("names, said", [
    ("usageDate,usageSpecification,Status", 'line 1: the column "Status" is none of'),
    ("usageDate,status", 'line 1: the column "usageSpecification" is missing'),
    ("status,usageSpecification", 'line 1: the column "usageDate" is missing'),
    ('usageDate,"usageSpecification', "line 1: a quote is not closed before the end"),
])
def test_csv_without_the_names_is_refused_as_a_whole(importing, names, said):
    code, counts, error = importing.run(importing.write("names.csv", f"{names}\n1,2,3\n"))

    assert code == 1 and said in error and counts == {"queued": 0, "refused": 0}


def test_standard_input_is_read_and_its_bad_lines_are_in_a_file_too(importing):
    code, counts, _ = importing.run("-", "--format", "ndjson", text=(line_of("in1") + "\n{").encode())

    assert (code, counts) == (1, {"created": 1, "duplicate": 0, "dead": 0, "refused": 1})
    assert [one["line"] for one in importing.rejected("stdin.rejected")] == [2]

    code, counts, _ = importing.run("-", "--format", "csv", "--rejected", "mine", text=f"{NAMES}\n{row_of('in2')}\nx\n".encode())

    assert (code, counts["created"], counts["refused"]) == (1, 1, 1)
    assert [one["line"] for one in importing.rejected("mine")] == [3]


def test_a_dry_run_checks_and_sends_nothing(importing):
    before = outcomes(importing.scene, importing.scene.topic["import"])
    file = importing.write("dry.ndjson", f"{line_of('dry')}\n[]\n")

    code, counts, _ = importing.run(file, "--dry-run", "--set", "kafka.bootstrap.servers=127.0.0.1:1")

    assert (code, counts) == (1, {"good": 1, "refused": 1})
    assert [one["line"] for one in importing.rejected("dry.ndjson.rejected")] == [2]
    assert importing.run(importing.write("dry.ndjson", line_of("dry")), "--dry-run")[:2] == (0, {"good": 1, "refused": 0})
    assert outcomes(importing.scene, importing.scene.topic["import"]) == before


def test_large_records_of_a_csv_take_no_more_memory_than_small_ones(importing, tmp_path):
    size, count = 400_000, 1000
    file = tmp_path / "large.csv"
    row = row_of("large", description="x" * size) + "\n"
    with file.open("w") as out:
        out.writelines((f"{NAMES}\n", *itertools.repeat(row, count)))

    code, said, peak_kib = peak_of(importing.service.command("import", str(file), "--dry-run"), cwd=tmp_path,
                                   env={"PATH": os.environ["PATH"]})
    file.unlink()

    assert code == 0 and f"good {count} refused 0" in " ".join(said.split()), said
    assert peak_kib < 300 << 10  # all of it is 400 MB; a sanitizer keeps 256 MB back


@pytest.mark.parametrize("name", ["own.ndjson", "./own.ndjson", "link"])
def test_what_is_no_usage_is_not_written_over_the_file_itself(importing, tmp_path, name):
    file = importing.write("own.ndjson", line_of("own"))
    link = importing.folder / "link"
    link.unlink(missing_ok=True)
    link.symlink_to(file)

    for words in ((file,), ("-", "--format", "ndjson")):
        with file.open() as stream:
            done = subprocess.run(importing.service.command("import", *map(str, words), "--dry-run", "--rejected", name),
                                  stdin=stream, capture_output=True, text=True, cwd=importing.folder, check=False,
                                  env={"PATH": os.environ["PATH"]})

        assert done.returncode == 1 and f"{name} is the file that is to be imported" in done.stderr, done.stderr
        assert file.read_text() == line_of("own")


def test_without_waiting_it_says_what_is_queued(importing):
    code, counts, _ = importing.run(importing.write("quick.ndjson", line_of("quick")), "--no-wait")

    assert (code, counts) == (0, {"queued": 1, "refused": 0})
    until("it is a usage", lambda: client_of(importing.service).get(f"/usage/{id_of('quick')}").status == 200)


@pytest.mark.parametrize("words, code, said", [
    ((), 2, "import wants a FILE, or - for standard input"),
    (("a.csv", "b.csv"), 2, "one word too many: b.csv"),
    (("a.txt",), 2, "a.txt does not end in .csv, .ndjson or .jsonl"),
    (("a.csv", "--format", "xml"), 2, 'option --format: "xml" is neither csv nor ndjson'),
    (("-",), 2, "say --format csv or --format ndjson"),
    (("absent.csv",), 1, "absent.csv cannot be read: No such file or directory"),
    (("quick.ndjson", "--rejected", "no/folder"), 1, "no/folder cannot be written"),
    (("a.csv", "--limit", "1"), 2, "--limit does not go with import"),
])
def test_what_it_cannot_do_it_says_in_a_line(importing, words, code, said):
    importing.write("quick.ndjson", line_of("quick"))

    got, _, error = importing.run(*words)

    assert got == code and said in error.splitlines()[0], error


def test_a_terminal_has_a_bar(importing):
    terminal = Terminal()
    file = importing.write("bar.ndjson", "\n".join(line_of(f"bar{i}") for i in range(20_000)))

    code, counts, _ = importing.run(file, terminal=terminal.theirs)
    said = terminal.told()

    assert code == 0 and counts["created"] == 20_000
    assert "usaged: import: sending [" in said and " lines in " in said
