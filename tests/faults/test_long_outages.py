"""Outages, one after the other, without a rest between."""

import random

import pytest

from lib.faults import TRANSACTION_S
from lib.outages import WAYS, flowing, outage


@pytest.mark.parametrize("workers", (1, 2))
def test_one_outage_after_the_other_loses_nothing(scene, publisher, settled_and_right, seed, workers):
    service, traffic = flowing(scene, publisher, seed, workers=workers)
    dice = random.Random(seed)
    plan = [(key, way) for key in ("postgres", "kafka") for way in WAYS] * 4
    dice.shuffle(plan)

    for key, way in plan:
        outage(service, traffic, getattr(scene.rig, key), key, way, seconds=dice.uniform(0, 2 * TRANSACTION_S))

    traffic.finish(120)
    settled_and_right()


def test_a_database_that_is_silent_for_longer_than_a_wait_may_last_is_waited_for(scene, publisher, settled_and_right):
    service, traffic = flowing(scene, publisher, 201)

    episode = outage(service, traffic, scene.rig.postgres, "postgres", "frozen", seconds=50)

    traffic.finish()
    settled_and_right()
    episode.check()
