"""scene - what one test has for itself on a shared rig: a database, topics, a group, services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping, Optional

import psycopg

from .postgres import OWNER, RUNTIME
from .service import Service

if TYPE_CHECKING:
    from .rig import Rig

# Settings that name a topic. The ones that come with later issues are added here then.
TOPICS_IN = ("raw", "rated", "import")
TOPICS_OUT = ("create", "state-change", "attribute-change", "delete", "specification", "dead-letter")


class Scene:
    """Names are derived from the scene's. `topic["raw"]` is this scene's `usage.raw`, and so on."""

    def __init__(self, rig: Rig, name: str, partitions: int, create_topics: bool, settings: Mapping[str, object]):
        self.rig = rig
        self.name = name
        self.partitions = partitions
        self.database = name.replace("-", "_")
        self.group = f"{name}.usaged"
        self.topic = {word: f"{name}.usage.{word}" for word in (*TOPICS_IN, *TOPICS_OUT)}
        self.folder = rig.folder / name
        self.folder.mkdir()
        self.services: list[Service] = []
        self._extra = {key: str(value) for key, value in settings.items()}
        rig.postgres.create_database(self.database)
        if create_topics:
            rig.kafka.create_topics(self.topic.values(), partitions)

    @property
    def inbound(self) -> list[str]:
        return [self.topic[word] for word in TOPICS_IN]

    @property
    def outbound(self) -> list[str]:
        return [self.topic[word] for word in TOPICS_OUT]

    @property
    def owner_url(self) -> str:
        return self.rig.postgres.url(self.database, OWNER)

    @property
    def url(self) -> str:
        return self.rig.postgres.url(self.database, RUNTIME)

    def settings(self) -> dict[str, str]:
        """usaged's settings for this scene, without what differs between its processes."""
        return {
            "kafka.bootstrap.servers": self.rig.kafka.bootstrap,
            "kafka.group.id": self.group,
            "registry.url": self.rig.registry.url,
            "database.url": self.url,
            **{f"topic.{word}": name for word, name in self.topic.items()},
            **self._extra,
        }

    def service(self, name: str = "a", settings: Optional[Mapping[str, object]] = None,
                env: Optional[Mapping[str, str]] = None, binary: Optional[str] = None) -> Service:
        """A `usaged` for this scene, not started. `settings` win over the scene's."""
        service = Service(self, name, settings or {}, env or {}, binary)
        self.services.append(service)
        self.rig.services.append(service)
        return service

    def connect(self, role: str = "postgres") -> psycopg.Connection:
        """To the scene's database, in autocommit mode, with `usaged` in the search path."""
        return self.rig.postgres.connect(self.database, role)

    def committed(self) -> dict[tuple[str, int], int]:
        """What the group has committed in Kafka: the published mark of each partition."""
        return self.rig.kafka.committed(self.group, self.inbound)

    def stop(self) -> None:
        """Ends its services. Database and topics go with the rig: dropping them costs a checkpoint each."""
        for service in self.services:
            service.kill()
