"""A small part of `make differential`: as many schemas as make a few seconds."""

import os
from pathlib import Path

from differential import run

PROGRAM = Path(os.environ.get("USAGED_BIN", "build/test/usaged")).parent / "fuzz" / "differential"


def test_random_records_under_random_schemas_are_what_fastavro_and_avro_c_read_and_their_events_say_so():
    result = run(str(PROGRAM), schemas=40, records=8000, seed=7)

    assert not result.problems, "\n".join(result.problems[:3])[:4000]
    assert result.counts["records"] == 8000
    assert result.counts["read by fastavro under our schema too"] > 1000 and result.counts["events"] > 1000
