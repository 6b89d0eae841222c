"""The main job on real parts: each outcome that a record may have, once, with its event."""

from lib.records import Records


def test_a_raw_record_becomes_a_usage_and_a_create_event(started, publisher, settled_and_right):
    publisher.raws(Records(1).take(300))

    settled_and_right()
