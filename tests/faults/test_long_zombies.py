"""Zombies, again and again, in whatever batch they fall asleep."""

import pytest

from lib.zombies import PLACES, Zombie

# Here its own client may always be the first to tell it.
OTHER_PLACES = ("before-commit", "after-commit", "after-kafka-commit")


@pytest.mark.parametrize("again", range(3))
@pytest.mark.parametrize("place", PLACES)
def test_a_thawed_process_is_refused_in_any_batch(scene, publisher, settled_and_right, seed, place, again):
    zombie = Zombie(scene, publisher, seed + again, place)

    refused = zombie.run(times_max=60)

    assert refused
    settled_and_right()


@pytest.mark.parametrize("place", OTHER_PLACES)
def test_a_thawed_process_drops_what_it_had(scene, publisher, settled_and_right, seed, place):
    zombie = Zombie(scene, publisher, seed, place)

    zombie.run(times_max=60, attempts=3)

    settled_and_right()
