"""A process that stood still past its time-outs changes nothing and publishes nothing when it wakes up; its successor does
not wait for it."""

import random

import pytest
from lib.zombies import PLACES, Zombie


@pytest.mark.parametrize("place", PLACES)
def test_a_thawed_process_is_refused_and_joins_again(scene, publisher, settled_and_right, place):
    seed = random.randrange(10_000)
    print("seed", seed)
    zombie = Zombie(scene, publisher, seed, place)

    refused = zombie.run()

    assert refused
    settled_and_right()
