"""A copy of a record from Kafka and a DELETE of the usage that it made, at once: one transaction is held open at its end while
the other one comes, in either order. The copy is a duplicate, and the usage stays deleted."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from lib.http import BASE, client_of
from lib.missed import held, held_up
from lib.publish import Publisher
from lib.records import Records, id_of
from lib.settle import outcomes, wait_settled
from lib.writing import Writing
from rig.wait import until


class Race:
    """A usage from Kafka, settled, and what may come next."""

    def __init__(self, scene):
        self.scene, self.writing, self.publisher = scene, Writing(scene), Publisher(scene)
        self.source = Records(1101)
        self.record = self.source.next()
        self.usage = id_of(self.record)
        self.publisher.raw(self.record)
        self.settle()

    def settle(self):
        self.publisher.flush()
        wait_settled(self.scene, self.publisher.ledger)

    def copy(self, **options):
        self.publisher.raw(self.record, expect="duplicate", **options)
        self.publisher.flush()

    def delete(self):
        client = client_of(self.writing.service)
        answer = client.ask("DELETE", f"{BASE}/usage/{self.usage}")
        client.close()
        return answer.status

    @contextmanager
    def deletion_held(self):
        """A DELETE has done all but take its number, and so has its row's lock."""
        with ThreadPoolExecutor(1) as pool, self.scene.connect() as db:
            with db.transaction():
                db.execute("SELECT 1 FROM source_offset WHERE topic = '@http' FOR UPDATE")
                running = pool.submit(self.delete)
                until("the DELETE waits", lambda: held_up(self.scene) == 1)
                yield
            assert running.result() == 204

    def is_gone(self, events):
        """Deleted, with these events, and each record has its outcome."""
        self.settle()
        self.writing.get(f"/usage/{self.usage}").is_error(404)
        assert self.writing.get(f"/usage?id={self.usage}").usages() == []
        assert [event["eventType"] for event in self.writing.events(self.usage, len(events))] == events


@pytest.fixture
def race(scene):
    return Race(scene)


def test_a_copy_that_comes_while_the_usage_is_being_deleted_is_a_duplicate(race):
    with race.deletion_held():
        race.copy()
        until("the copy has its outcome", lambda: outcomes(race.scene).get("duplicate") == 1)

    race.is_gone(["UsageCreateEvent", "UsageDeleteEvent"])
    assert outcomes(race.scene) == {"created": 1, "duplicate": 1}


def test_a_copy_that_was_there_first_is_a_duplicate_and_hinders_no_deletion(race):
    with held(race.scene, "source_outcome"):
        race.copy()
        until("the copy's transaction is open", lambda: held_up(race.scene) == 1)
        assert race.delete() == 204

    race.is_gone(["UsageCreateEvent", "UsageDeleteEvent"])
    assert outcomes(race.scene) == {"created": 1, "duplicate": 1}


def test_a_copy_that_comes_after_the_deletion_is_a_duplicate(race):
    assert race.delete() == 204
    race.copy()

    race.is_gone(["UsageCreateEvent", "UsageDeleteEvent"])
    assert outcomes(race.scene) == {"created": 1, "duplicate": 1}


def test_a_copy_in_one_batch_with_others_that_are_created_stays_a_duplicate(race):
    """The batch inserts, so what it found before its insert is looked at again."""
    others = race.source.take(20)
    with race.deletion_held():
        race.publisher.raws(others[:10], partition=0)
        race.copy(partition=0)
        race.publisher.raws(others[10:], partition=0)
        race.publisher.flush()
        until("the batch is stored", lambda: outcomes(race.scene).get("created") == 21)

    race.is_gone(["UsageCreateEvent", "UsageDeleteEvent"])
    assert outcomes(race.scene) == {"created": 21, "duplicate": 1}
