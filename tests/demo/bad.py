"""bad - a few records of every kind that cannot be taken: each must come out as a dead letter with its reason, and stop
nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lib.publish import framed, register
from lib.records import DAY_MS, Record, Records, id_of
from lib.schemas import PLAIN
from lib.schemas_rated import RATED_PLAIN

if TYPE_CHECKING:
    from lib.publish import Publisher
    from rig import Scene

FORBIDDEN = "TEST"  # a usage type that the demo's own constraint refuses


class Bad:
    def __init__(self, scene: Scene, publisher: Publisher, source: Records):
        self._scene, self._publisher, self._source = scene, publisher, source
        self._rated: Record = {}

    def prepare(self) -> None:
        """What only PostgreSQL can refuse: a constraint that a DBA has added."""
        with self._scene.connect() as db:
            db.execute(f"ALTER TABLE usage_row ADD CONSTRAINT no_test_calls CHECK (usage_type <> '{FORBIDDEN}')")

    def send(self, known: Record) -> None:
        """`known` is a record that was sent before."""
        source, raw, bad = self._source, self._publisher.raw, self._publisher.bytes
        now = int(time.time() * 1000)
        good = self._publisher.encoded(source.next())
        topic = self._scene.topic["raw"]
        foreign = register(self._scene.rig.registry.url, f"{topic}-other", {"type": "record", "name": "Invoice", "fields": []})
        for _ in range(2):
            bad(b"\0" * 600_000, "too-large")
            bad(b'{"not": "avro"}', "framing")
            bad(framed(foreign, b""), "schema-unsupported")
            bad(good[:-9], "malformed")
            bad(self._publisher.encoded({**source.next(), "usageType": "VO\0ICE"}), "text")
            raw({**source.next(), "recordId": ""}, reason="missing")
            raw({**source.next(), "relatedParty": [{"id": "x" * 300}]}, reason="value")
            raw({**source.next(), "usageDate": now + 9 * DAY_MS}, reason="date")
            raw({**source.next(), "status": "billed"}, reason="status", writer=PLAIN)
            raw({**known, "usageType": "FAX"}, reason="conflict")
            raw({**source.next(), "usageType": FORBIDDEN}, reason="database")
            self._publisher.rated(source.rating_of(source.next(), ratedProductUsage=[]), reason="incomplete")
            self._publisher.rated(source.rating_of(source.next()), expect="parked", reason="parked-expired")
        bad(framed(999_999_999, good[5:]), "schema-unknown")
        giant = {**source.next(), "usageCharacteristic": [{"name": "n", "value": 1}] * 80_000}
        bad(self._publisher.encoded(giant, PLAIN), "event-too-large")
        self._rated = source.next()
        raw(self._rated)

    def follow_up(self) -> None:
        """A rating that comes out of turn, once its usage is there."""
        if not self._rated:
            return
        with self._scene.connect() as db:
            found = db.execute("SELECT 1 FROM usage WHERE id = %s", (id_of(self._rated),)).fetchone()
        if found:
            rating = self._source.rating_of(self._rated, status="rerated")
            self._publisher.rated(rating, reason="transition", writer=RATED_PLAIN)
            self._rated = {}
