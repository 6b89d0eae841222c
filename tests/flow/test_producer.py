"""The producer's handle, where librdkafka needs care."""

import os
import subprocess
from pathlib import Path

import pytest

# Without caches of its own per thread malloc sees that another one has freed the same before.
STRICT = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


@pytest.mark.parametrize("times", [12, pytest.param(100, marks=pytest.mark.long)])
def test_one_that_was_put_out_is_let_go_while_the_broker_has_yet_to_refuse_the_rest(scene, times):
    """librdkafka 2.0.2 frees the text of a transaction's error before its brokers' threads end, which free it again. Left to
    itself it did so in each of six runs, at the 3rd to 40th time."""
    program = Path(os.environ["USAGED_BIN"]).parent / "flow" / "fenced"

    done = subprocess.run([program, scene.rig.kafka.bootstrap, scene.topic["create"], str(times)], text=True,
                          capture_output=True, timeout=300, check=False, env={**os.environ, **STRICT})

    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == str(times) and "facility=ERROR" in done.stderr + done.stdout
    assert "facility=TERMINATE" not in done.stderr + done.stdout, "messages were under way"
