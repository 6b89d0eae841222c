"""Changes over HTTP under the kills, freezes and outages that records have: what was answered 2xx is there with its event,
once."""

import pytest
from lib.faults import QUICK, Failpoint
from lib.outages import give_back, take_away
from lib.writers import Writers, settled
from rig.wait import until

PLACES = ("write-inserted", "write-locked", "write-before-number", "write-before-commit", "write-after-commit",
          "http-before-publish", "http-before-send-offsets", "http-before-kafka-commit", "http-after-kafka-commit",
          "http-before-clean")
SHORT = ("write-before-commit", "http-before-kafka-commit")


@pytest.mark.parametrize("place", [place if place in SHORT else pytest.param(place, marks=pytest.mark.long)
                                   for place in PLACES])
def test_a_process_that_is_killed_loses_and_doubles_no_change(scene, place):
    service = scene.service("a", QUICK)
    service.migrate()
    point = Failpoint(scene, place, "kill", 12)
    service.start(env=point.env)
    with Writers([service]) as writers:
        until(f"{point} fires", lambda: point.fired() and not service.alive(), 60)
        service.start()
        writers.more(30)

    settled(scene, writers)


@pytest.mark.long
@pytest.mark.parametrize("place", ["write-before-commit", "write-locked", "http-before-kafka-commit"])
def test_a_process_that_stands_still_is_waited_for_by_nobody_and_changes_nothing_when_it_wakes(scene, place):
    first, second = scene.service("a", QUICK), scene.service("b", QUICK)
    first.migrate()
    point = Failpoint(scene, place, "stop", 12)
    first.start(env=point.env)
    second.start()
    with Writers([first, second], count=4) as writers:
        until(f"{point} fires", point.fired, 60)
        first.freeze()
        count = writers.told_by(second)
        until("the other process takes changes", lambda: writers.told_by(second) > count + 10, 90)
        first.thaw()
        writers.more(30)

    settled(scene, writers)


@pytest.mark.parametrize("part, way", [("postgres", "killed"), *(pytest.param(part, way, marks=pytest.mark.long) for part, way
                                       in (("postgres", "frozen"), ("kafka", "killed"), ("kafka", "frozen")))])
def test_an_outage_loses_and_doubles_no_change(scene, part, way):
    service = scene.service("a", {**QUICK, "http.statement-timeout-ms": 2000})
    service.migrate()
    service.start()
    gone = getattr(scene.rig, part)
    with Writers([service]) as writers:
        writers.more(30)
        take_away(gone, way)
        if part == "kafka":
            writers.more(30)  # nobody waits for a broker
        give_back(gone, way)
        writers.more(30, seconds=90)

    settled(scene, writers)


@pytest.mark.long
def test_random_kills_under_load(scene):
    first, second = scene.service("a", QUICK), scene.service("b", QUICK)
    first.migrate()
    first.start()
    second.start()
    with Writers([first, second], count=6) as writers:
        for turn in range(10):
            victim = (first, second)[turn % 2]
            writers.more(50)
            victim.kill()
            writers.more(20)
            victim.start(wait=False)
    first.wait_ready(60)
    second.wait_ready(60)

    settled(scene, writers)
