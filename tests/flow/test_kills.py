"""Whatever a process dies of, and wherever it dies: nothing is lost, nothing is there twice, the order is kept."""

import random

import pytest
from lib.kills import Kills, Mayhem, check_kills


def test_a_kill_at_any_named_place_loses_nothing_and_repeats_nothing(scene, publisher, settled_and_right):
    seed = random.randrange(10_000)
    print("seed", seed)
    kills = Kills(scene, publisher, seed)

    kills.run(20_000)

    check_kills(kills)
    assert kills.traffic.sent >= 20_000
    settled_and_right()


@pytest.mark.long
def test_kills_of_processes_and_parts_lose_nothing_and_repeat_nothing(scene, publisher, settled_and_right):
    seed = random.randrange(10_000)
    print("seed", seed)
    mayhem = Mayhem(scene, publisher, seed)

    mayhem.run()

    settled_and_right()
