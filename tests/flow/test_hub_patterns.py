"""test_hub_patterns - regular expressions in a listener's query, judged by the service's own machine, against PostgreSQL's ~ in
collation C, which judges the same expressions in a list's query: random ones, over random texts."""

import json
import os
import random
from urllib.parse import quote

import psycopg

from lib.judge import ask

LETTERS = "ab01 -_.é主\n"
CLASSES = [f"[:{name}:]" for name in ("alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
                                      "upper", "word", "xdigit")]
ATOMS = ["a", "b", "0", "1", "-", "é", "主", ".", "\\d", "\\D", "\\s", "\\S", "\\w", "\\W", "\\.", "\\n", "\\x61", "\\u4e3b", "^", "$",
         " ", "_", "\\$", "()", "}", "{"]
QUANTIFIERS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{0}", "{0,1}", "{1,}", "{1,3}", "{0,2}?", "{2,}?"]
ODD = "ab()[]{}|^$*+?.\\-:=,01dwé "
TEXTS, EXPRESSIONS = 12, int(os.environ.get("EXPRESSIONS", "2000"))


class Expressions:
    def __init__(self, seed):
        self.dice = random.Random(seed)

    def brackets(self):
        dice = self.dice
        items = [dice.choice((*LETTERS.replace("-", ""), "a-b", "0-1", "\\d", "\\s", "\\w", "一-龥", *CLASSES)) for _ in range(dice.randint(1, 3))]
        return "[" + dice.choice(("", "", "^")) + dice.choice(("", "", "", "]")) + "".join(items) + dice.choice(("", "", "-", "-b")) + "]"

    def atom(self, depth):
        roll = self.dice.random()
        if depth and roll < .25:
            return self.dice.choice(("(", "(?:")) + self.branches(depth - 1) + ")"
        return self.brackets() if roll < .4 else self.dice.choice(ATOMS)

    def branch(self, depth):
        return "".join(self.atom(depth) + (self.dice.choice(QUANTIFIERS) if self.dice.random() < .35 else "")
                       for _ in range(self.dice.choice((0, 1, 2, 2, 3, 4))))

    def branches(self, depth):
        return "|".join(self.branch(depth) for _ in range(self.dice.choice((1, 1, 1, 2, 3))))

    def one(self):
        made = self.branches(3)
        if self.dice.random() < .3:  # nothing that a grammar would write
            at = self.dice.randrange(len(made) + 1)
            made = made[:at] + "".join(self.dice.choice(ODD) for _ in range(self.dice.randint(1, 2))) + made[at + self.dice.randint(0, 1):]
        return made if len(made) <= 256 else self.one()

    def text(self):
        return "".join(self.dice.choice(LETTERS) for _ in range(self.dice.choice((0, 1, 2, 3, 5, 8, 12))))


def in_postgresql(database, expression, texts):
    """Does each text match? None: the expression is refused."""
    try:
        return [row[0] for row in database.execute('SELECT t ~ %s COLLATE "C" FROM unnest(%s::text[]) WITH ORDINALITY AS x(t, n) ORDER BY n',
                                                   (expression, texts))]
    except psycopg.errors.InvalidRegularExpression:
        return None


def query(expression):
    return f"Qevent.usage.description.regex={quote(expression, safe='')}".encode()


def event(text):
    return b"E" + json.dumps({"eventType": "UsageCreateEvent", "event": {"usage": {"id": "x", "description": text}}}).encode()


def in_the_service(asked):
    """Does each text match? [] where the expression is refused."""
    taken = [not said for said in ask([query(expression) for expression, _ in asked])]
    frames = [frame for (expression, texts), good in zip(asked, taken) if good
              for frame in (query(expression), *map(event, texts))]
    answers = iter(ask(frames))
    return [[next(answers) == "1" for _ in (None, *texts)][1:] if good else [] for (_, texts), good in zip(asked, taken)]


def test_an_expression_matches_what_it_matches_in_postgresql(scene):
    made = Expressions(int(os.environ.get("SEED", "3")))
    asked = [(made.one(), [made.text() for _ in range(TEXTS)]) for _ in range(EXPRESSIONS)]
    matches = refused = 0

    with scene.connect() as database:
        database.autocommit = True
        for (expression, texts), found in zip(asked, in_the_service(asked)):
            if found:
                assert found == in_postgresql(database, expression, texts), (expression, texts)
            matches += sum(found)
            refused += not found

    assert matches > len(asked) * TEXTS / 10 and refused < len(asked) / 2, (matches, refused)
