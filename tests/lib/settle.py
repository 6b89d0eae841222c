"""settle - waiting until a service has taken, and published, all that a ledger says was sent to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from rig.wait import until

from .ledger import Ledger

if TYPE_CHECKING:
    from rig import Scene

Place = tuple[str, int]


def ends(ledger: Ledger) -> dict[Place, int]:
    """The offset behind the last published record, by partition."""
    found: dict[Place, int] = {}
    for entry in ledger.entries:
        place = entry.topic, entry.partition
        found[place] = max(found.get(place, 0), entry.offset + 1)
    return found


def stored(scene: Scene) -> dict[Place, int]:
    """PostgreSQL's mark of each inbound partition."""
    with scene.connect() as db:
        rows = db.execute("SELECT topic, partition, next_offset FROM source_offset WHERE topic <> '@http'").fetchall()
    return {(topic, partition): offset for topic, partition, offset in rows}


def lag(scene: Scene, ledger: Ledger) -> int:
    """How many published records are not stored, or stored and not published, yet."""
    in_postgres, in_kafka = stored(scene), scene.committed()
    return sum(max(0, end - min(in_postgres.get(place, 0), in_kafka.get(place, 0)))
               for place, end in ends(ledger).items())


def owed(scene: Scene, ledger: Ledger) -> int:
    """How many parked ratings have yet to meet their usage, or their end, and transactions of the source @http that are
    not published."""
    waiting = {(entry.topic, entry.partition, entry.offset) for entry in ledger.waiting()}
    with scene.connect() as db:
        parked = db.execute("SELECT topic, partition, record_offset FROM parked_rating").fetchall()
        unpublished = db.execute("SELECT count(*) FROM outbox WHERE topic = '@http'").fetchone()[0]
    return unpublished + sum(1 for row in parked if row not in waiting)


def wait_settled(scene: Scene, ledger: Ledger, seconds: float = 60) -> None:
    """Until both watermarks are behind the last record of each partition, and no rating waits that has a usage. Call after
    the publisher's flush."""
    wanted = ends(ledger)

    def settled() -> bool:
        in_postgres = stored(scene)
        if any(in_postgres.get(place, 0) < end for place, end in wanted.items()):
            return False
        in_kafka = scene.committed()
        return all(in_kafka.get(place, 0) >= end for place, end in wanted.items()) and owed(scene, ledger) == 0

    until(f"{scene.name}: all {len(ledger.entries)} records are stored and published", settled, seconds, every=0.1)


def wait_without_members(scene: Scene) -> None:
    """Until the group has forgotten a service that was killed."""
    until("the group has no member", lambda: scene.rig.kafka.group_members(scene.group) == 0)


def outcomes(scene: Scene, topic: Optional[str] = None) -> dict[str, int]:
    """The account in PostgreSQL, summed over partitions, of all topics or one."""
    with scene.connect() as db:
        rows = db.execute("SELECT outcome, sum(records)::bigint FROM source_outcome "
                          "WHERE %s::text IS NULL OR topic = %s GROUP BY outcome", (topic, topic)).fetchall()
    return dict(rows)
