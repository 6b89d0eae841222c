"""docs/partners.md: its commands, as they stand there, by bash and curl against a service that asks for tokens, and what they
bring back."""

import json
import re
import subprocess
from typing import Any, Optional

import pytest
from lib import readme
from lib.http import BASE, Answer, client_of
from lib.identity import event_id
from lib.importing import post_lines
from lib.listener import Listener
from rig.wait import until

TEXT = (readme.ROOT / "docs" / "partners.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", TEXT, flags=re.M | re.S))
URL = f"https://usage.example.net{BASE}"
COUNT = 300  # usages of the month


class Hour:
    """A service with the operator's settings, and a partner's shell, which keeps its variables from one block to the next.
    `real` is what stands for the names that the page has made up."""

    def __init__(self, rig: Any):
        self.scene = rig.scene("partners")
        self.folder = self.scene.folder
        self.service = self.scene.service(settings={"hub.retry-ms": 50, "usage.newest": "10 y"})
        self.variables = self.folder / "variables"
        self.variables.write_text("")
        tokens = self.folder / "tokens"
        tokens.write_text("")
        self.real = {"10.0.0.5:8635": self.service.http, URL: self.service.base, "/etc/usaged/tokens": str(tokens),
                     "10.20.0.0/16": "127.0.0.1/32"}
        self.set(self.blocks("The operator's side", "ini")[0])
        self.service.migrate()
        self.service.start()
        assert client_of(self.service).get("/usage").is_error(401), "nobody has a token yet"
        self.real["$(pidof usaged)"] = str(self.service.process.pid)
        self.run(self.blocks("The operator's side")[0])
        self.token = self.value("token")
        self.real["what-you-were-given"] = self.token
        until("the token is known", lambda: self.get("/usage").status == 200)
        self.first = self.run(self.blocks("Your token")[0])

    def set(self, ini: str) -> None:
        """The settings of a file, as the program reads it."""
        file = self.folder / "usaged.ini"
        file.write_text(ini)
        done = subprocess.run([self.service.binary, "-c", file, "settings"], env={}, capture_output=True, text=True, check=True)
        found = dict(re.findall(rf"^(\S+) = (.*) \(file {file} line \d+\)$", done.stdout, flags=re.M))
        assert len(found) == len(ini.splitlines())
        self.service.settings.update(found)

    def real_names(self, text: str) -> str:
        for name, real in self.real.items():
            assert name in TEXT, f"the page names {name} no more"
            text = text.replace(name, real)
        return text

    def blocks(self, section: str, language: str = "sh") -> list[str]:
        return [self.real_names(block) for block in readme.blocks(language, SECTIONS[section])]

    def run(self, block: str, code: int = 0, token: Optional[str] = None) -> str:
        """What it prints; what it says of its failure if `code` is not 0. With another token, if one is given."""
        names = " ".join(re.findall(r"^(\w+)=", block, flags=re.M))
        script = [f"set -eu -o pipefail; . '{self.variables}'", f"token={token}" if token else "", block,
                  f"declare -p {names} >> '{self.variables}'" if names else ""]
        done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=self.folder, capture_output=True, text=True, timeout=30,
                              check=False)
        assert done.returncode == code, (block, done.stdout, done.stderr)
        return done.stderr if code else done.stdout

    def value(self, name: str) -> str:
        return subprocess.run(["bash", "-c", f". '{self.variables}'; printf %s \"${name}\""], capture_output=True, text=True,
                              check=True).stdout

    def get(self, path: str, token: Optional[str] = None) -> Answer:
        return client_of(self.service).ask("GET", BASE + path, headers={"Authorization": f"Bearer {token or self.token}"})

    def count(self, outcome: str) -> float:
        """Of the records of imports that are stored and published."""
        return self.service.metric("usaged_records_total", topic=self.scene.topic["import"], outcome=outcome)


@pytest.fixture(scope="module")
def hour(rig):
    made = Hour(rig)
    yield made
    made.scene.stop()


def line_of(date, number):
    return json.dumps({"usageDate": date, "usageSpecification": {"id": "s"}, "usageCharacteristic": [
        {"name": "sourceSystem", "value": "before"}, {"name": "sourceRecordId", "value": f"{number}"}]}).encode() + b"\n"


def test_the_operators_lines_let_a_partner_in(hour):
    assert hour.first.startswith("HTTP/1.1 200 OK\n") and "\nX-Total-Count: 0\n" in hour.first
    assert hour.get("/openapi.json").status == 200
    client_of(hour.service).get("/openapi.json").is_error(401)


def test_a_token_that_reads_is_enough_for_an_export_only(hour):
    making, = hour.blocks("The operator's side")
    assert making.count("token") == 3 and making.count("acme write") == 1
    hour.run(making.replace("token=", "reader=").replace("$token", "$reader").replace("acme write", "analyst read"))
    reader = hour.value("reader")
    until("the token is known", lambda: hour.get("/usage", reader).status == 200)

    hour.run(hour.blocks("Export a month")[0], token=reader)

    for section in ("Import a file", "Be told"):
        assert "403" in hour.run(hour.blocks(section)[0], 22, token=reader)


def test_an_export_has_the_month_and_goes_on_after_a_break(hour):
    inside = [f"2026-11-{1 + number % 25:02}T{number % 24:02}:00:00Z" for number in range(COUNT)]
    dates = ["2026-10-31T23:59:59.999Z", "2026-11-01T00:00:00Z", *inside, "2026-11-30T23:59:59.999Z", "2026-12-01T00:00:00Z"]
    sent = [one["id"] for one in post_lines(hour.service, [line_of(date, number) for number, date in enumerate(dates)],
                                            hour.token)]
    until("all are there", lambda: hour.get("/usage?limit=0&usageCharacteristic.value=before").total() == len(dates))
    export, resume = hour.blocks("Export a month")

    hour.run(export)

    file = hour.folder / "november.ndjson"
    whole = file.read_bytes()
    ids = [json.loads(line)["id"] for line in whole.splitlines()]
    assert ids == sorted(ids) and set(sent[1:-1]) <= set(ids) and not {sent[0], sent[-1]} & set(ids)
    listed = hour.get("/usage?limit=1000&usageDate.gte=2026-11-01T00:00:00Z&usageDate.lt=2026-12-01T00:00:00Z")
    assert sorted(listed.ids()) == ids
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    for cut in (10, ends[0], ends[1], ends[1] + 1, ends[50] - 1, ends[100], len(whole) // 2, len(whole) - 1, len(whole)):
        file.write_bytes(whole[:cut])
        hour.run(resume)
        assert file.read_bytes() == whole, cut


def test_an_import_is_answered_by_lines_and_the_same_file_again_changes_nothing(hour):
    send, look, see = hour.blocks("Import a file")
    answered, seen = hour.blocks("Import a file", "json")

    assert hour.run(send) == answered
    assert hour.run(look) == answered.splitlines(keepends=True)[2]
    until("both are there", lambda: len(json.loads(hour.run(see))) == 2)
    assert hour.run(see) + "\n" == seen

    before = hour.count("duplicate")
    assert hour.run(send) == answered
    until("both were there", lambda: hour.count("duplicate") == before + 2)
    assert hour.run(see) + "\n" == seen
    for line in answered.splitlines()[:2]:
        assert hour.get(f"/usage/{json.loads(line)['id']}").header("ETag") == '"1"'


def test_what_the_page_says_of_lines_without_a_key_and_of_lines_with_that_of_another_one(hour):
    first = line_of("2026-11-02T00:00:00Z", "key")
    other = first.replace(b'{"id": "s"}', b'{"id": "t"}')
    bare = b'{"usageDate": "2026-11-02T00:00:00Z", "usageSpecification": {"id": "s"}}\n'
    before = {outcome: hour.count(outcome) for outcome in ("duplicate", "dead")}

    sent = post_lines(hour.service, [first, other, bare, bare, bare.replace(b"}}", b"} }")], hour.token)

    assert {one["status"] for one in sent} == {"queued"}
    assert [len({one["id"] for one in sent[:2]}), len({one["id"] for one in sent[2:]})] == [1, 2]
    until("each has its outcome", lambda: [hour.count(outcome) - before[outcome] for outcome in before] == [1, 1])
    assert hour.get(f"/usage/{sent[0]['id']}").json()["usageSpecification"] == {"id": "s"}


def test_a_listener_is_told_of_what_the_page_shows_and_again_what_it_did_not_take(hour):
    tried = set()
    listener = Listener(lambda told: 201 if told.text in tried else (tried.add(told.text), 500)[1])
    hour.real["https://partner.example.net/tmf"] = f"{listener.url}/tmf"
    register, post, unregister = hour.blocks("Be told")
    shown = json.loads(hour.blocks("Be told", "json")[0])

    assert hour.run(register).strip() == hour.value("listener")
    hour.run(post.replace("cust-55810", "cust-1").replace("88233", "88234"))
    made = json.loads(hour.run(post))

    def of_it(requests):
        return [one for one in requests if one.resource["id"] == made["id"]]

    until("it is told", lambda: of_it(listener.told))
    refused, told = of_it(listener.tried)
    assert refused.text == told.text and told.path == "/tmf/listener/usageCreateEvent"
    assert shown["eventId"] == event_id(made["id"], 1) and shown["event"]["usage"] == made
    assert {**told.body, **{name: shown[name] for name in ("eventTime", "timeOcurred")}} == shown
    assert {party["id"] for one in listener.tried for party in one.resource["relatedParty"]} == {"cust-55810"}
    assert "409" in hour.run(post, 22)
    hour.run(unregister)
    until("nobody is told any more", lambda: hour.service.metric("usaged_hub_listeners") == 0)
    assert "404" in hour.run(unregister, 22)
    listener.close()
