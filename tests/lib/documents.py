"""documents - lines of an import and the UsageDocuments that they are, made by the rules of the contract and not by ours."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Optional

import fastavro
from confluent_kafka import Producer

from .publish import framed, register

if TYPE_CHECKING:
    from rig import Scene

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "schemas" / "UsageDocument.avsc").read_text())


def milliseconds(text: str) -> int:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00")) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (moment.days * 86_400_000) + moment.seconds * 1000 + moment.microseconds // 1000


def document_of(line: str) -> dict:
    """The record of a line: its natural key, else the digest of the line under the source `import`."""
    usage = json.loads(line)
    found = {}
    for one in usage.get("usageCharacteristic", ()):
        if one["name"] in ("sourceSystem", "sourceRecordId") and isinstance(one["value"], str):
            found.setdefault(one["name"], one["value"])
    natural = len(found) == 2
    return {"source": found["sourceSystem"] if natural else "import",
            "recordId": found["sourceRecordId"] if natural else hashlib.sha256(line.encode()).hexdigest(),
            "usageDate": milliseconds(usage["usageDate"]), "document": line}


def publish_documents(scene: Scene, documents: Iterable[dict], timestamp: Optional[int] = None) -> int:
    """On the scene's import topic, acknowledged; how many."""
    topic = scene.topic["import"]
    schema_id = register(scene.rig.registry.url, f"{topic}-value", SCHEMA)
    producer = Producer({**scene.rig.kafka.client, "enable.idempotence": True, "linger.ms": 5})
    failed, count = [], 0
    for document in documents:
        value = io.BytesIO()
        fastavro.schemaless_writer(value, SCHEMA, document)
        more = {} if timestamp is None else {"timestamp": timestamp}
        producer.produce(topic, framed(schema_id, value.getvalue()), document["recordId"].encode(),
                         on_delivery=lambda error, _: failed.append(error) if error else None, **more)
        producer.poll(0)
        count += 1
    assert producer.flush(60) == 0 and not failed, failed
    return count
