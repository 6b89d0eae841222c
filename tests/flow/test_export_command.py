"""`usaged export`: the same lines as over HTTP, into a file that is there once it is whole, or to standard output."""

import os
import pty
import re
import signal
import stat
import subprocess
from typing import Any, Iterator

import pytest
from lib.fill import filled
from lib.sockets import readable
from lib.stream import CSV, NDJSON, export
from rig.wait import until

ROWS = 20_000


class Exporter:
    def __init__(self, rig: Any):
        self.rig = rig
        self.service = filled(rig, "export-command", ROWS)
        self.scene = self.service.scene

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        return self.service.run("export", *words, check=check)

    def open(self, *words: str, **how: Any) -> subprocess.Popen:
        """One that is not waited for."""
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **how}
        environment = {key: value for key, value in os.environ.items() if not key.startswith("USAGED_")}
        return subprocess.Popen(self.service.command("export", *words), env=environment, **streams)


@pytest.fixture(scope="module")
def shared(rig) -> Iterator[Exporter]:
    made = Exporter(rig)
    yield made
    made.scene.stop()


@pytest.fixture
def exporter(rig, shared) -> Iterator[Exporter]:
    yield shared
    rig.mend()


def is_summary(text: str, rows: int, size: int, file: str = "") -> bool:
    return bool(re.fullmatch(rf"usaged: export: {rows} usages, {size} bytes in [\d.]+ s, \d+ usages/s{re.escape(file)}\n", text))


@pytest.mark.parametrize("name, accept", [("csv", CSV), ("ndjson", NDJSON)])
def test_a_file_holds_what_http_gives(exporter, tmp_path, name, accept):
    file = tmp_path / "november"

    done = exporter.run("--format", name, "-o", str(file))

    body = file.read_bytes()
    assert body.decode() == export(exporter.service.http, accept=accept)
    assert done.stdout == "" and is_summary(done.stderr, ROWS, len(body), f": {file}")
    assert os.listdir(tmp_path) == ["november"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("words", [[], ["-o", "-"], ["--output", "/dev/stdout"]])
def test_without_a_file_it_is_standard_output(exporter, words):
    done = exporter.run("--format", "ndjson", "--filter", "limit=1000", *words)

    assert done.stdout == export(exporter.service.http, "limit=1000")
    assert is_summary(done.stderr, 1000, len(done.stdout.encode()), ": /dev/stdout" if "--output" in words else "")


def test_the_window_holds_for_each_group_of_the_filter_and_its_end_is_not_included(exporter):
    window = "usageDate.gte=2026-09-10T00:00:00Z&usageDate.lt=2026-09-12T06:30:00Z"

    done = exporter.run("--format", "csv", "--filter", "usageType=VOICE&status=rated;relatedParty.id=org-7", "--from", "2026-09-10",
                        "--to", "2026-09-12T08:30:00+02:00", "--sort", "status,+usageDate", "--fields", "status,usageDate")

    wanted = export(exporter.service.http, f"usageType=VOICE&status=rated&{window};relatedParty.id=org-7&{window}"
                                           "&sort=status,%2BusageDate&fields=status,usageDate", CSV)
    assert done.stdout.count("\n") > 20 and done.stdout == wanted.replace("\r\n", "\n")


@pytest.mark.parametrize("words, said", [
    ([], "usaged: export wants --format csv or --format ndjson"),
    (["--format", "xml"], 'usaged: option --format: "xml" is neither csv nor ndjson'),
    (["--format", "csv", "--from", "yesterday"], 'usaged: option --from: "yesterday" is no time such as'),
    (["--format", "csv", "--to", "2026-13-01"], 'usaged: option --to: "2026-13-01" is no time such as'),
    (["--format", "csv", "--from", "2026-02-01", "--to", "2026-02-01"], 'usaged: option --to: "2026-02-01" is not later than --from'),
    (["--format", "csv", "--filter", "colour=red"], "usaged: export: colour: not an attribute that can be filtered by"),
    (["--format", "csv", "--filter", "status=rated;", "--from", "2026-01-01"], "usaged: export: query: no condition stands before"),
    (["--format", "csv", "--filter", "sort=id", "--sort", "id"], "usaged: export: sort: given more than once"),
    (["--format", "csv", "--sort", "relatedParty&limit=1"], 'usaged: export: sort: "relatedParty&limit=1" names no attribute'),
    (["--format", "csv", "--dry-run"], "usaged: --dry-run does not go with export"),
])
def test_a_wrong_option_is_exit_2_and_one_line(exporter, words, said):
    done = exporter.run(*words, check=False)

    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith(said), done.stderr
    assert done.stderr.count("\n") == 1


def test_what_only_postgresql_refuses_is_exit_1(exporter, tmp_path):
    done = exporter.run("--format", "csv", "--filter", "usageType.regex=(", "-o", str(tmp_path / "x"), check=False)

    assert done.returncode == 1 and "no regular expression" in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("file, why", [("/nowhere/x", "cannot write beside it: No such file"), ("/dev/full", "cannot write: No space left"),
                                       ("/", "cannot write: Is a directory")])
def test_a_file_that_cannot_be_written_is_exit_1_and_says_why(exporter, file, why):
    done = exporter.run("--format", "csv", "-o", file, check=False)

    assert done.returncode == 1 and f"usaged: export: {file}: {why}" in done.stderr


def test_a_file_that_was_there_stays_until_the_new_one_is_whole(exporter, tmp_path):
    """Through a symbolic link, too; and what is stopped leaves nothing behind."""
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old")
    link.symlink_to("file")
    with exporter.scene.connect() as db, db.transaction():
        db.execute("LOCK TABLE usage_row IN ACCESS EXCLUSIVE MODE")
        running = exporter.open("--format", "csv", "-o", str(link))
        until("it writes beside the file", lambda: len(os.listdir(tmp_path)) == 3)
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=20)

    assert running.returncode == 1 and said == "usaged: export: stopped as asked; 0 usages were written, which are not all\n"
    assert sorted(os.listdir(tmp_path)) == ["file", "link"] and file.read_text() == "old"

    exporter.run("--format", "csv", "-o", str(link))
    assert link.is_symlink() and file.read_text().count("\n") == ROWS + 1


def test_who_reads_it_may_go(exporter):
    running = exporter.open("--format", "ndjson")
    assert running.stdout.readline().startswith('{"id":"')

    running.stdout.close()

    assert running.wait(20) == 1
    assert re.fullmatch("usaged: export: standard output: cannot write: who reads it has gone; [0-9]+ usages were written, "
                        "which are not all\n", running.stderr.read())


def test_sigterm_ends_it_while_nobody_reads(exporter):
    running = exporter.open("--format", "ndjson")
    readable(running.stdout, 20)

    running.send_signal(signal.SIGTERM)

    assert running.wait(20) == 1
    assert "usaged: export: stopped as asked" in running.stderr.read()


def test_it_waits_for_a_postgresql_that_goes_away_and_goes_on(exporter, tmp_path):
    running = exporter.open("--format", "ndjson", stderr=(tmp_path / "said").open("w"))
    readable(running.stdout, 20)
    exporter.rig.postgres.kill()
    start = running.stdout.read(4096)
    while "usaged: export: waiting: " not in (tmp_path / "said").read_text():
        assert running.poll() is None
        if readable(running.stdout, 0.05):
            start += running.stdout.read(4096)

    exporter.rig.postgres.start()
    body = start + running.stdout.read()

    assert running.wait(20) == 0, (tmp_path / "said").read_text()
    assert body == export(exporter.service.http)


def test_a_database_that_is_away_or_bare_is_exit_1_at_once(exporter):
    for url, why in ((exporter.rig.postgres.url(), "run `usaged migrate`"), ("postgresql://127.0.0.1:1/x", "refused")):
        done = exporter.service.run("export", "--format", "csv", settings={"database.url": url}, check=False)
        assert done.returncode == 1 and why in done.stderr and done.stdout == ""


def test_on_a_terminal_it_says_how_far_it_is(exporter, tmp_path):
    ours, theirs = pty.openpty()
    running = exporter.open("--format", "ndjson", stderr=theirs)
    os.close(theirs)
    running.stdout.read(100)
    said = b""
    while b"/s" not in said:
        running.stdout.read(40_000)
        if readable(ours, 0.05):
            said += os.read(ours, 4096)
    running.stdout.read()
    assert running.wait(20) == 0
    while readable(ours, 1):
        try:
            said += os.read(ours, 4096)
        except OSError:  # nobody has it open any more
            break
    os.close(ours)

    text = said.decode().replace("\r\n", "\n")
    assert re.search(rf"\r\x1b\[Kusaged: export: \[#*-*\] +\d+ %, \d+ of {ROWS}, \d+/s", text), text
    assert is_summary(text.rpartition("\x1b[K")[2], ROWS, len(export(exporter.service.http).encode())), text
