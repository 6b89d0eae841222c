"""The same on a broker with the time-outs that Kafka ships: a sweep for dead transactions every ten seconds only, sessions of
six seconds and more, three seconds before a new group's first assignment."""

import pytest

from lib.faults import QUICK
from lib.kills import Kills, check_kills
from lib.zombies import PLACES, Zombie
from rig import Rig

SESSION_S, TRANSACTION_S = 6.0, 15.0


@pytest.fixture(scope="module")
def rig():
    with Rig(broker_defaults=True) as started:
        yield started


@pytest.mark.parametrize("place", PLACES)
def test_the_successor_of_a_frozen_process_takes_over_in_time(scene, publisher, settled_and_right, seed, place):
    zombie = Zombie(scene, publisher, seed, place, session_s=SESSION_S, transaction_s=TRANSACTION_S)

    refused = zombie.run()

    assert refused
    settled_and_right()


def test_kills_at_every_named_place(scene, publisher, settled_and_right, seed):
    kills = Kills(scene, publisher, seed, settings={**QUICK, "kafka.session.timeout.ms": int(SESSION_S * 1000),
                                                    "kafka.transaction.timeout.ms": int(TRANSACTION_S * 1000)})

    kills.run(20_000)

    check_kills(kills)
    settled_and_right()
