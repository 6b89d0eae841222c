"""A process that stood still past its time-outs changes nothing and publishes nothing when it wakes up; its successor does
not wait for it."""

import random

import pytest
from lib.faults import QUICK, Failpoint
from lib.records import Records
from lib.zombies import PLACES, Zombie
from rig.wait import until


@pytest.mark.parametrize("place", [*(pytest.param(place, marks=pytest.mark.long) for place in PLACES[:2]), *PLACES[2:]])
def test_a_thawed_process_is_refused_and_joins_again(scene, publisher, settled_and_right, place):
    seed = random.randrange(10_000)
    print("seed", seed)
    zombie = Zombie(scene, publisher, seed, place)

    refused = zombie.run()

    assert refused
    settled_and_right()


def test_a_fresh_process_gets_past_one_that_is_frozen_in_copy(scene, publisher, settled_and_right):
    """The locked partition is the first that it takes, over a connection on which nothing was prepared before."""
    settings = {**QUICK, "topic.rated": f"{scene.name}.nobody"}
    frozen, fresh = scene.service("a", settings), scene.service("b", settings)
    frozen.migrate()
    point = Failpoint(scene, "in-copy", "stop", 2)
    frozen.start(wait=False, env=point.env)
    publisher.raws(Records(31).take(1000), partition=0)
    publisher.flush()
    until(f"{point} fires", point.fired, 60)
    frozen.freeze()  # it stands still already; the rig knows now

    fresh.start(wait=False)

    settled_and_right()
    frozen.kill()
