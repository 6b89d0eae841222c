"""Schemathesis asks the API all that its own description says, and much that it does not, with all its checks on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIB = Path(__file__).resolve().parent.parent / "lib"


def run(service, examples: int, seconds: float, *more: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(LIB / "schemathesis.toml"), "run",
               f"{service.base}/openapi.json", "--checks", "all", "--max-examples", str(examples), "--no-color", *more]
    paths = os.pathsep.join([str(LIB.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, text=True, capture_output=True,
                          timeout=seconds, check=False, cwd=service.scene.folder)


def check(started, examples: int, seconds: float, *more: str) -> None:
    before = started.main.process.pid

    done = run(started.main, examples, seconds, *more)

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert "Operations" in done.stdout and "Failures" not in done.stdout, done.stdout
    assert started.main.alive() and started.main.process.pid == before
    with started.connect() as db:
        made, = db.execute("SELECT count(*) FROM usage_row").fetchone()
    assert made > 0, "it made usages"


# Of the examples that go through a schema place by place ("coverage", half a minute), those of these operations.
COVERED = ("createUsage", "retrieveUsage", "deleteUsage")


def test_the_api_does_as_it_describes_itself(started):
    check(started, 5, 300, "--seed", "635", "--no-shrink", "--phases", "examples,fuzzing,stateful")
    check(started, 10, 300, "--seed", "635", "--no-shrink", "--phases", "coverage",
          *(word for operation in COVERED for word in ("--include-operation-id", operation)))


@pytest.mark.long
def test_the_api_does_as_it_describes_itself_at_length(started):
    check(started, 100, 3600)
