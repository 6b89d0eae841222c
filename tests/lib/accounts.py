"""accounts - nothing is dropped in silence: of each partition, the records that were read and the outcomes that were counted
are equally many, at any moment, after any crash.

It is looked at behind every test that has a scene (`accounted` in fixtures.py), whatever else the test looks at.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .consume import read_below

if TYPE_CHECKING:
    from rig import Scene

Place = tuple[str, int]


def account_problems(scene: Scene) -> list[str]:
    """Partitions whose account does not add up. Mark and account are of one snapshot, so services may run meanwhile.

    What was read is what a read-committed consumer finds below the stored mark: in a topic that somebody writes to in
    transactions not every offset is a record. What retention has removed was read, one record an offset.
    """
    stored, counted = _accounts(scene)
    problems = [f"{topic}[{number}]: {counted[topic, number]} records have an outcome, and none was read"
                for topic, number in counted.keys() - stored.keys()]
    wanted = {place: end for place, end in stored.items() if end > 0}
    if not wanted:
        return problems
    lows = {topic: scene.rig.kafka.watermarks(topic) for topic in {topic for topic, _ in wanted}}
    found = Counter((one.topic, one.partition) for one in read_below(scene.rig.kafka, wanted))
    for (topic, number), end in sorted(wanted.items()):
        read = found[topic, number] + min(end, lows[topic][number][0])
        if counted[topic, number] != read:
            problems.append(f"{topic}[{number}]: {read} records were read, up to offset {end}, and "
                            f"{counted[topic, number]} have an outcome")
    return problems


def _accounts(scene: Scene) -> tuple[dict[Place, int], Counter[Place]]:
    """The stored mark and the sum of outcomes, by partition; nothing if there are no tables."""
    with scene.connect() as db:
        if db.execute("SELECT to_regclass('usaged.source_outcome')").fetchone()[0] is None:
            return {}, Counter()
        rows = db.execute("SELECT topic, partition, next_offset, sum(records)::bigint FROM source_offset "
                          "FULL JOIN source_outcome USING (topic, partition) WHERE topic <> '@http' GROUP BY 1, 2, 3").fetchall()
    return ({(topic, number): mark for topic, number, mark, _ in rows if mark is not None},
            Counter({(topic, number): records for topic, number, _, records in rows if records}))
