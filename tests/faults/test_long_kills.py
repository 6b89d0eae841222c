"""Kills, again and again: at every named place, and of everything at any moment."""

import pytest

from lib.kills import Kills, Mayhem, check_kills

ROUNDS = 3


@pytest.mark.parametrize("settings", [{}, {"workers": 2}, {"batch.records": 5000, "batch.wait-ms": 200}],
                         ids=["small batches", "two workers", "default batches"])
def test_kills_at_every_named_place_in_many_rounds(scene, publisher, settled_and_right, seed, settings):
    kills = Kills(scene, publisher, seed, ROUNDS, settings, times_max=25 if not settings.get("batch.records") else 6)

    kills.run(60_000)

    check_kills(kills, ROUNDS)
    settled_and_right()


@pytest.mark.parametrize("again", range(3))
def test_kills_of_processes_and_parts_at_any_moment(scene, publisher, settled_and_right, seed, again):
    mayhem = Mayhem(scene, publisher, seed + again)

    mayhem.run(ROUNDS)

    settled_and_right()
