"""test_events - a listener's query, judged by the service in C, against the rules in Python (lib/query_oracle.py) that the
filters of a list are tested with too: over random events that have something in every attribute."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.judge import ask  # noqa: E402
from lib.query_content import Content, Questions, dumps  # noqa: E402
from lib.query_oracle import Condition, Oracle, to_text  # noqa: E402

EVENTS, ROUNDS = 25, 200
UNSENT = ("title", "priority")  # TMF635 has them, no event of ours does


def envelope(number, payload):
    dice = random.Random(number)
    return {"eventId": f"e-{number % 7}", "eventTime": f"2026-11-{10 + number % 9}T08:15:30.250Z",
            "eventType": dice.choice(("UsageCreateEvent", "UsageStateChangeEvent")), "domain": "Usage",
            **({"correlationId": f"s/{number % 5}"} if number % 2 else {}),
            **({"description": "guided to rated"} if number % 3 else {}),
            "timeOcurred": f"2026-11-{10 + number % 4}T08:15:30.250Z", "event": payload}


class Events:
    def __init__(self, kind):
        content = Content(7)
        usage = kind.startswith("UsageCreate")
        self.all = [envelope(number, {"usage": content.usage()} if usage else
                             {"usageSpecification": content.specification()}) for number in range(EVENTS)]
        for one in self.all:
            for resource in one["event"].values():
                resource["href"] = f"http://h/v4/{resource['id']}"
        self.oracle = Oracle(kind)
        self.questions = Questions(11, kind, self.all)
        self.questions.attributes = [one for one in self.questions.attributes if one.name not in UNSENT]

    def check(self, asked):
        """Each of these groups, of each event."""
        frames, wanted = [], []
        for groups, text in asked:
            frames.append(b"Q" + text.encode())
            wanted.append("")
            for one in self.all:
                frames.append(b"E" + dumps(one).encode())
                wanted.append(str(int(self.oracle.finds(groups, one))))
        found = ask(frames)
        step = EVENTS + 1
        for at, (groups, text) in enumerate(asked):
            assert found[at * step:(at + 1) * step] == wanted[at * step:(at + 1) * step], (text, groups)
        return [found[at * step + 1:(at + 1) * step].count("1") for at in range(len(asked))]


@pytest.fixture(scope="module", params=["UsageCreateEvent", "UsageSpecificationCreateEvent"])
def events(request):
    return Events(request.param)


def known_types(groups):
    """Of eventType only the seven may be asked for."""
    return [[Condition(one.name, one.op, ("UsageCreateEvent",) * len(one.values))
             if one.name == "eventType" and one.op in ("eq", "ne") else one for one in group] for group in groups]


def test_random_queries_want_what_the_rules_say(events):
    dice = random.Random(5)
    asked = []
    for _ in range(ROUNDS):
        groups = known_types(events.questions.groups())
        text = to_text(groups, dice)
        if len(text.encode()) <= 4096:
            asked.append((groups, text))

    hits = events.check(asked)

    assert sum(0 < hit < EVENTS for hit in hits) > ROUNDS / 4, "most queries want some of the events"


def test_each_attribute_is_asked_for_by_each_operator(events):
    asked = []
    for attribute in events.questions.attributes:
        for op in ("eq", "ne", "gt", "gte", "lt", "lte", "regex"):
            groups = known_types([[events.questions.condition(attribute, op)]])
            asked.append((groups, to_text(groups)))

    events.check(asked)


@pytest.mark.parametrize("query, words", [
    ("status=rated", "status: not an attribute"), ("eventType=UsageCreationNotification", "none of the seven"),
    ("eventType=usageCreateEvent", "none of the seven"), ("event.usage.status=Rated", "event.usage.status"),
    ("event.usage=x", "object"), ("event.usage.relatedParty=x", "array"), ("event.usage.nope=1", "event.usage.nope"),
    ("limit=1", "limit"), ("fields=id", "fields"), ("filter=x", "filter"), ("offset=1", "offset"), ("x", "no value"),
    ("eventType=UsageCreateEvent;", "';'"), (";eventType=UsageCreateEvent", "';'"), ("&", "';'"),
    ("event.usage.usageDate.gt=yesterday", "date-time"), ("event.usage.ratedProductUsage.isBilled=1", "neither true"),
    ("event.usage.description.regex=(", "event.usage.description: \"(\" has a ( without a )"), ("event.usage.description.regex=(a)%5C1", "escape"),
    ("event.usage.description.regex=" + "a" * 257, "256"), ("event.usage.description=%zz", "escape"),
    ("event.usage.description=" + "a" * 4100, "4096"), ("title=x", "title"),
    ("event.usage.description.regex=((a%7B1%2C200%7D)%7B1%2C200%7D)%7B1%2C200%7D", "too large")])
def test_an_unusable_query_is_refused_by_name(query, words):
    said, = ask([b"Q" + query.encode()])

    assert words in said, said
