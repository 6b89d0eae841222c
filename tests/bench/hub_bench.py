"""hub_bench - deliveries a second to ten listeners of which one is dead.

    make bench-hub               three runs: build/bench-hub.json

The events are those of ingested call records, put into the topic once more when all listeners are registered. Nine listeners
take everything (one small C program, tests/lib/sink.c); the tenth accepts connections and never answers. Listeners, broker
and service share the machine.
"""

import argparse
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import TREE, report, say
from confluent_kafka import Producer
from lib.consume import read_all
from lib.http import BASE, client_of
from lib.load import Load
from rig import Rig
from rig.ports import free_port
from rig.wait import until

LISTENERS, PARTITIONS = 9, 6


class Sink:
    """The nine, and how many requests each has taken."""

    def __init__(self, folder: Path):
        program = folder / "sink"
        subprocess.run(["cc", "-O2", "-o", program, TREE / "tests" / "lib" / "sink.c"], check=True)
        self.ports = [free_port() for _ in range(LISTENERS)]
        self._file = folder / "counts"
        self._file.write_bytes(bytes(8 * 64))
        self._process = subprocess.Popen([program, self._file, *map(str, self.ports)], stdout=subprocess.PIPE)
        self._process.stdout.readline()

    def counts(self) -> list[int]:
        return list(struct.unpack(f"{LISTENERS}Q", self._file.read_bytes()[:8 * LISTENERS]))

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def register(client, port: int) -> None:
    answer = client.ask("POST", BASE + "/hub", b'{"callback":"http://127.0.0.1:%d/tmf"}' % port,
                        {"Content-Type": "application/json"})
    assert answer.status == 201, answer


def run(rig, number: int, events: int, dead: bool) -> dict:
    scene = rig.scene(f"hub-{number}", partitions=PARTITIONS)
    service = scene.service(settings={"hub.allow-networks": "127.0.0.0/8"})
    service.migrate()
    load = Load(scene)
    load.publish("raw", load.raws(events))
    service.start()
    until("all is ingested", lambda: service.metric("usaged_events_total") >= events, 300)
    values = [(one.partition, one.value) for one in read_all(rig.kafka, [scene.topic["create"]])]
    client = client_of(service)
    silent = socket.create_server(("127.0.0.1", 0), backlog=100)
    with tempfile.TemporaryDirectory() as folder:
        sink = Sink(Path(folder))
        for port in sink.ports:
            register(client, port)
        if dead:
            register(client, silent.getsockname()[1])
        service.wait_log("the hub has partitions")
        producer = Producer({**rig.kafka.client, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
        cpu, begun = service.cpu_seconds(), time.monotonic()
        for partition, value in values:
            producer.produce(scene.topic["create"], value, partition=partition)
            producer.poll(0)
        producer.flush(60)
        until("all are told", lambda: min(sink.counts()) >= events, 600, every=0.005)
        seconds, used = time.monotonic() - begun, service.cpu_seconds() - cpu
        counts = sink.counts()
        sink.end()
    silent.close()
    client.close()
    result = {"dead": dead, "deliveries_per_s": round(sum(counts) / seconds), "seconds": round(seconds, 2),
              "deliveries": sum(counts), "repeats": sum(counts) - LISTENERS * events,
              "cpu_us_per_delivery": round(used / sum(counts) * 1e6, 1), "peak_rss_mb": round(service.peak_memory_mib(), 1)}
    scene.stop()
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--out", default=str(TREE / "build" / "bench-hub.json"))
    options = parser.parse_args()
    results = []
    with Rig(kafka_quick=False) as rig:
        run(rig, 0, min(options.events, 5000), True)  # warms up
        for number in range(1, options.runs + 1):
            for dead in (True, False):
                results.append(run(rig, 2 * number + dead, options.events, dead))
                say(f"run {number}/{options.runs}: {results[-1]}")
    summary = {"runs": results}
    for dead in (True, False):
        those = [one["deliveries_per_s"] for one in results if one["dead"] is dead]
        summary["nine and a dead one" if dead else "nine alone"] = statistics.median(those)
    report(options.out, summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
