"""missed - ratings and usages that miss each other: two transactions are held open at once, so neither sees the other.

    with held(scene, "source_outcome"):
        publisher.raws(records, partition=0)           # one worker's partition
        publisher.rated(rating, partition=2)           # the other's
        wait_until_held(scene, 2)
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator

from rig.wait import until

from .records import Record, Records

if TYPE_CHECKING:
    from rig import Scene

    from .publish import Publisher

RAW_PARTITION, RATED_PARTITION = 0, 2  # of four, shared by two workers: range gives each two of each topic


@contextmanager
def held(scene: Scene, table: str) -> Iterator[None]:
    """Nobody writes to this table meanwhile: a transaction that comes to it waits there, with all it has done before."""
    with scene.connect() as db, db.transaction():
        db.execute(f"LOCK TABLE {table} IN SHARE MODE")
        yield


@contextmanager
def counting_held(scene: Scene, topic: str, partition: int, outcome: str) -> Iterator[None]:
    """A batch that adds to this count, which must be there, waits meanwhile, with all it has done before."""
    with scene.connect() as db, db.transaction():
        held_rows = db.execute("UPDATE source_outcome SET records = records WHERE (topic, partition, outcome) = (%s, %s, %s)",
                               (topic, partition, outcome)).rowcount
        assert held_rows == 1
        yield


@contextmanager
def unswept(scene: Scene) -> Iterator[None]:
    """Nothing is swept meanwhile, and nothing of @http published: another has the keeper's lock, and is in no hurry."""
    with scene.connect() as db:
        db.execute("SELECT pg_advisory_lock(hashtextextended('usaged.http', 0))")
        yield


def held_up(scene: Scene) -> int:
    """How many sessions wait for a lock."""
    with scene.connect() as db:
        return db.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = "
                          "'Lock'").fetchone()[0]


def miss(scene: Scene, publisher: Publisher, source: Records, count: int, **rating: object) -> list[Record]:
    """`count` usages and their ratings, by two workers at once. The account is the last table but the outbox that a batch
    writes to: both transactions have done all else when they come to it."""
    records = source.take(count)
    with held(scene, "source_outcome"):
        with publisher.together():
            publisher.raws(records, partition=RAW_PARTITION)
            for record in records:
                publisher.rated(source.rating_of(record, **rating), partition=RATED_PARTITION, expect={"parked", "changed"})
        until("two transactions are open", lambda: held_up(scene) == 2, 30)
    return records
