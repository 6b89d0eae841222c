"""identity - ids of usages and events, and Kafka's partitioner, computed anew from their description."""

import functools
import hashlib
import uuid


def usage_id(source: str, record_id: str, usage_date_ms: int) -> str:
    """48 bits of the date, then ten bytes of SHA-256(source 00 recordId); version 8."""
    digest = hashlib.sha256(source.encode() + b"\0" + record_id.encode()).digest()
    return _version_8(usage_date_ms.to_bytes(6, "big") + digest[:10])


def event_id(usage: str, revision: int) -> str:
    """SHA-256(the usage's 16 bytes, revision as 8 bytes), its first 16; version 8."""
    return _version_8(hashlib.sha256(uuid.UUID(usage).bytes + revision.to_bytes(8, "big")).digest()[:16])


def specification_event_id(specification: str, revision: int) -> str:
    """SHA-256(the specification's id, 00, revision as 8 bytes), its first 16; version 8."""
    return _version_8(hashlib.sha256(specification.encode() + b"\0" + revision.to_bytes(8, "big")).digest()[:16])


def _version_8(raw: bytes) -> str:
    made = bytearray(raw)
    made[6] = 0x80 | made[6] & 0x0F
    made[8] = 0x80 | made[8] & 0x3F
    text = made.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@functools.lru_cache(maxsize=100_000)
def partition_of(key: bytes, partitions: int) -> int:
    """Where the Java client puts a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Kafka's variant: seed 0x9747b28c, 32 bits."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at:at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15
