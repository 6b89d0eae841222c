"""engine - the demo's rating engine: reads UsageCreateEvent as any consumer does, and rates every second usage."""

from lib.consume import Decoder, Follower
from lib.publish import Publisher
from lib.records import Record, Records, id_of
from rig import Scene


class Engine:
    """Sends a rating only after it has read its usage's event, so no rating is ever early."""

    def __init__(self, scene: Scene, publisher: Publisher, source: Records):
        self._publisher, self._source = publisher, source
        self._events = Follower(scene.rig.kafka.client, [scene.topic["create"]])
        self._decoder = Decoder(scene.rig.registry.url)
        self._to_rate: dict[str, Record] = {}
        self.rated = 0

    def wants(self, record: Record) -> None:
        """Tells it that this record's usage is to be rated once its event comes."""
        self._to_rate[id_of(record)] = record

    def waiting(self) -> int:
        return len(self._to_rate)

    def work(self, seconds: float) -> None:
        """Rates what has been committed since it last looked."""
        for event in self._events.poll(seconds):
            usage = str(self._decoder.decode(event.value)["event"]["usage"]["id"])
            record = self._to_rate.pop(usage, None)
            if record is not None:
                self._publisher.rated(self._source.rating_by_id(record), expect="changed")
                self.rated += 1

    def close(self) -> None:
        self._events.close()
