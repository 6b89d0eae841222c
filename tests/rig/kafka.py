"""kafka - one Apache Kafka broker in KRaft mode on 127.0.0.1, and what tests ask of its admin interface."""

import time
import uuid
from base64 import urlsafe_b64encode
from concurrent.futures import wait
from pathlib import Path
from typing import Callable, Iterable, Mapping, Optional, Sequence, TypeVar

from confluent_kafka import (Consumer, ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException,
                             TopicPartition)
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient,
                                   AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourcePatternType, ResourceType)

from .java import JavaPart, parts_folder
from .ports import free_port
from .wait import until

# Makes kills and restarts quick; `Rig(broker_defaults=True)` leaves the broker's own values.
QUICK = {
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 2000,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
    "broker.session.timeout.ms": 5000,
    "broker.heartbeat.interval.ms": 500,
}

# Users of a broker with access control: each one's password is its name. `admin` may do all; the others what `grant`
# gives them.
ADMIN, USER = "admin", "usaged"

# (right, kind, name, by prefix), as in ("READ", "TOPIC", "usage.raw", False).
Right = tuple[str, str, str, bool]


# What a broker, or a client that has just asked it, says of something that is about to be there.
_NOT_YET = {KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE,
            KafkaError.NOT_COORDINATOR, KafkaError.UNSTABLE_OFFSET_COMMIT, KafkaError.LEADER_NOT_AVAILABLE,
            KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.UNKNOWN_LEADER_EPOCH,
            KafkaError.FENCED_LEADER_EPOCH, KafkaError._NOENT, KafkaError._UNKNOWN_PARTITION, KafkaError._TIMED_OUT,
            KafkaError._TRANSPORT, KafkaError.INVALID_REPLICATION_FACTOR}
T = TypeVar("T")


class Kafka(JavaPart):
    """`quick` trades throughput for a quick start; `settings` go to server.properties and win. With `acls` clients
    must log in, and nobody but the admin may do what was not granted."""

    name = "kafka"

    def __init__(self, folder: Path, quick: bool = True, broker_defaults: bool = False,
                 settings: Optional[Mapping[str, object]] = None, acls: bool = False):
        super().__init__(folder)
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        # What a test's own client starts from. Its complaints about a broker that is down on purpose help nobody.
        self.client = {"bootstrap.servers": self.bootstrap, "reconnect.backoff.ms": 50,
                       "reconnect.backoff.max.ms": 250, "log_level": 0, **(login(ADMIN) if acls else {})}
        self._quick = quick
        self._admin: Optional[AdminClient] = None
        self._askers: dict[str, Consumer] = {}
        self._write_properties({**({} if broker_defaults else QUICK), **(settings or {})}, acls)

    def _write_properties(self, settings: Mapping[str, object], acls: bool) -> None:
        controller = free_port()
        properties = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "log.cleaner.dedupe.buffer.size": 16 << 20,
            **(_access_control(self.bootstrap, controller) if acls else {}),
            **settings,
        }
        text = "".join(f"{name}={value}\n" for name, value in properties.items())
        (self.folder / "server.properties").write_text(text)
        # What `kafka-storage format` would write, without starting a virtual machine for it.
        data = self.folder / "data"
        data.mkdir()
        (data / "meta.properties").write_text(f"version=1\nnode.id=1\ncluster.id={_new_id()}\n")

    def command(self) -> Sequence[str]:
        jars = parts_folder() / "kafka"
        return [*self.java(self._quick), "-Xms256m", "-Xmx512m", "-cp", f"{jars}/*",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
                "kafka.Kafka", str(self.folder / "server.properties")]

    def answers(self) -> bool:
        return len(self.admin().list_topics(timeout=1).brokers) == 1

    def admin(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient(self.client)
        return self._admin

    def _patiently(self, ask: Callable[[], T], seconds: float = 20) -> T:
        """Asks again while the answer is "not yet", as it is of groups and topics right after a start. Each time
        with a new client: one that has seen a partition without a leader may believe that for long."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return ask()
            except (KafkaException, TimeoutError) as error:
                told = error.args[0] if isinstance(error, KafkaException) else None
                if told and not told.retriable() and told.code() not in _NOT_YET:
                    raise
                if time.monotonic() > deadline:
                    raise
            self._admin = None
            time.sleep(0.05)

    def create_topics(self, names: Iterable[str], partitions: int = 4,
                      config: Optional[Mapping[str, str]] = None) -> None:
        """Creates the topics and waits until the broker leads each partition: it says that a topic is there before."""
        names = list(names)
        new = [NewTopic(name, partitions, 1, config=dict(config or {})) for name in names]
        there: set[str] = set()

        def create() -> None:
            """A broker that was frozen is fenced for a moment, and makes none of them, or some."""
            futures = self.admin().create_topics([one for one in new if one.topic not in there], operation_timeout=15)
            wait([*futures.values()], 20)
            there.update(name for name, future in futures.items() if future.done() and future.exception() is None)
            _wait(futures)

        self._patiently(create, 120)
        parts = [TopicPartition(name, number) for name in names for number in range(partitions)]
        self._patiently(lambda: _wait(self.admin().list_offsets({part: OffsetSpec.latest() for part in parts})))

    def take_at_most(self, topics: Iterable[str], size: int) -> None:
        """From now on a batch of messages may have so many bytes in these topics."""
        entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
        _wait(self.admin().incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
                                                      for topic in topics]))

    def add_partitions(self, topic: str, count: int) -> None:
        """To `count` of them. Waits until the broker leads each."""
        _wait(self.admin().create_partitions([NewPartitions(topic, count)], operation_timeout=15))
        parts = [TopicPartition(topic, number) for number in range(count)]
        self._patiently(lambda: _wait(self.admin().list_offsets({part: OffsetSpec.latest() for part in parts})))

    def delete_topics(self, names: Iterable[str]) -> None:
        _wait(self.admin().delete_topics(list(names), operation_timeout=15))

    def partitions(self, topic: str) -> int:
        return len(self.admin().list_topics(topic, timeout=15).topics[topic].partitions)

    def watermarks(self, topic: str) -> dict[int, tuple[int, int]]:
        """Low and high watermark of each partition."""
        parts = [TopicPartition(topic, number) for number in range(self.partitions(topic))]

        def ask(spec: OffsetSpec) -> dict[int, int]:
            answer = self.admin().list_offsets({part: spec for part in parts},
                                               isolation_level=IsolationLevel.READ_UNCOMMITTED)
            return {part.partition: future.result(15).offset for part, future in answer.items()}

        low = self._patiently(lambda: ask(OffsetSpec.earliest()))
        high = self._patiently(lambda: ask(OffsetSpec.latest()))
        return {number: (low[number], high[number]) for number in low}

    def committed(self, group: str, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """The group's committed offset of each partition of these topics that has one; waits while a transaction holds
        one of them, which it does for some milliseconds after its commit was acknowledged.

        A consumer that never joins asks: librdkafka's ListConsumerGroupOffsets crashes on a handle without a group
        when the group's coordinator is not to be had."""
        if group not in self._askers:
            self._askers[group] = Consumer({**self.client, "group.id": group, "isolation.level": "read_committed"})
        asker = self._askers[group]
        places = [TopicPartition(topic, number) for topic in topics for number in range(self.partitions(topic))]
        answer = self._patiently(lambda: _each_good(asker.committed(places, timeout=15)))
        return {(part.topic, part.partition): part.offset for part in answer if part.offset >= 0}

    def set_committed(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Resets a group without members, as an operator's tool would."""
        parts = [TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()]
        asked = ConsumerGroupTopicPartitions(group, parts)
        self._patiently(lambda: _each_good(
            self.admin().alter_consumer_group_offsets([asked])[group].result(15).topic_partitions))

    def delete_group(self, group: str) -> None:
        """Deletes a group without members, and with it all its offsets."""
        self._patiently(lambda: _wait(self.admin().delete_consumer_groups([group])))

    def delete_records(self, topic: str, before: Mapping[int, int]) -> None:
        """Moves the low watermark of partitions, as retention does."""
        _wait(self.admin().delete_records([TopicPartition(topic, number, offset)
                                           for number, offset in before.items()]))

    def grant(self, rights: Iterable[Right], user: str = USER) -> None:
        """Allows the user this, and waits until the broker goes by it."""
        rights = list(rights)
        _wait(self.admin().create_acls([_acl(AclBinding, right, user) for right in rights]))
        until("all is granted", lambda: all(self._granted(right, user) for right in rights))

    def revoke(self, rights: Iterable[Right], user: str = USER) -> None:
        rights = list(rights)
        _wait(self.admin().delete_acls([_acl(AclBindingFilter, right, user) for right in rights]))
        until("all is revoked", lambda: not any(self._granted(right, user) for right in rights))

    def _granted(self, right: Right, user: str) -> bool:
        return bool(self.admin().describe_acls(_acl(AclBindingFilter, right, user)).result(15))

    def group_members(self, group: str) -> int:
        return self._patiently(lambda: len(self.admin().describe_consumer_groups([group])[group].result(15).members))


def login(user: str) -> dict[str, str]:
    """A client's settings for a broker with access control."""
    return {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "PLAIN", "sasl.username": user,
            "sasl.password": user}


def _access_control(bootstrap: str, controller: int) -> dict[str, object]:
    """Clients have a listener with a login; the broker talks to itself over one that has none and is nobody else's."""
    users = "".join(f' user_{name}="{name}"' for name in (ADMIN, USER))
    return {
        "listeners": f"CLIENTS://{bootstrap},BROKER://127.0.0.1:{free_port()},CONTROLLER://127.0.0.1:{controller}",
        "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.clients.plain.sasl.jaas.config":
            f"org.apache.kafka.common.security.plain.PlainLoginModule required{users};",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN};User:ANONYMOUS",
    }


def _acl(make: type[AclBinding], right: Right, user: str) -> AclBinding:
    operation, kind, name, by_prefix = right
    pattern = ResourcePatternType.PREFIXED if by_prefix else ResourcePatternType.LITERAL
    return make(ResourceType[kind], name, pattern, f"User:{user}", "*", AclOperation[operation],
                AclPermissionType.ALLOW)


def _each_good(parts: list[TopicPartition]) -> list[TopicPartition]:
    """An answer may be good and its parts not."""
    for part in parts:
        if part.error is not None:
            raise KafkaException(part.error)
    return parts


def _wait(futures: Mapping) -> None:
    for future in futures.values():
        future.result(30)


def _new_id() -> str:
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
