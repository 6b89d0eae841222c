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


def held_up(scene: Scene) -> int:
    with scene.connect() as db:
        return db.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND database = "
                          "(SELECT oid FROM pg_database WHERE datname = current_database())").fetchone()[0]


def miss(scene: Scene, publisher: Publisher, source: Records, count: int, **rating: object) -> list[Record]:
    """`count` usages and their ratings, by two workers at once. The account is the last table but the outbox that a batch
    writes to: both transactions have done all else when they come to it."""
    records = source.take(count)
    with held(scene, "source_outcome"):
        publisher.raws(records, partition=RAW_PARTITION)
        for record in records:
            publisher.rated(source.rating_of(record, **rating), partition=RATED_PARTITION, expect={"parked", "changed"})
        publisher.flush()
        until("two transactions are open", lambda: held_up(scene) == 2, 15)
    return records
