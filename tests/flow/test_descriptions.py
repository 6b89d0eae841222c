"""test_descriptions - schemas/openapi.json and schemas/asyncapi.yaml: public linters find nothing in them, they have all
that TM Forum's definitions have, and they agree with the settings, the Avro schemas and docs/wire.md. Needs no part of
the rig."""

import copy
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft4Validator

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "schemas"
OPENAPI = json.loads((SCHEMAS / "openapi.json").read_text())
ASYNCAPI = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())
MODELS = OPENAPI["components"]["schemas"]
OFFICIAL = json.loads((ROOT / "tests" / "lib" / "tmf635-v4.0.0.json").read_text())["definitions"]
PREFIX = "#/components/schemas/"
MERGED = {"UsageSpecificationRef", "TimePeriod", "TargetEntitySchema"}  # objects that a patch is merged into
# What our contract needs beyond TM Forum's `required`.
NEEDED = {"Usage": {"id", "href"}, "UsageSpecification": {"id", "href"}, "Usage_Create": {"usageSpecification"},
          "UsageSpecification_Create": {"name"}}
EVERYWHERE = {"400", "401", "403", "405", "408", "414", "431", "500", "503"}
BODY = {"413", "415"}
OPERATIONS = {  # TM Forum's names, the success, and the errors beyond EVERYWHERE
    ("/usage", "get"): ("listUsage", "200", {"404", "409", "501"}),
    ("/usage", "post"): ("createUsage", "201", {"200", "409", "422"} | BODY),  # 200: an import
    ("/usage/{id}", "get"): ("retrieveUsage", "200", {"404", "409"}),
    ("/usage/{id}", "patch"): ("patchUsage", "200", {"404", "409", "412"} | BODY),
    ("/usage/{id}", "delete"): ("deleteUsage", "204", {"404", "409", "412"}),
    ("/usageSpecification", "get"): ("listUsageSpecification", "200", {"404", "409", "501"}),
    ("/usageSpecification", "post"): ("createUsageSpecification", "201", {"409", "422"} | BODY),
    ("/usageSpecification/{id}", "get"): ("retrieveUsageSpecification", "200", {"404", "409"}),
    ("/usageSpecification/{id}", "patch"): ("patchUsageSpecification", "200", {"404", "409", "412"} | BODY),
    ("/usageSpecification/{id}", "delete"): ("deleteUsageSpecification", "204", {"404", "409", "412"}),
    ("/hub", "post"): ("registerListener", "201", {"404", "409"} | BODY),
    ("/hub/{id}", "delete"): ("unregisterListener", "204", {"404"}),
    ("/openapi.json", "get"): ("retrieveDescription", "200", set()),
}


def lint(*files: Path) -> subprocess.CompletedProcess:
    """The linters are where tests/install.sh has put those of this very package-lock.json."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "usaged"
    digest = hashlib.sha256((ROOT / "tests" / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = base / f"linters-{digest}"
    return subprocess.run([folder / "node", ROOT / "tests" / "lint.mjs", folder, *files], capture_output=True, text=True,
                          timeout=120, check=False)


def test_public_linters_find_nothing():
    done = lint(SCHEMAS / "openapi.json", SCHEMAS / "asyncapi.yaml")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name, faults", [
    ("openapi.json", [("openapi.json", "#/components/schemas/Money", "#/components/schemas/Coin", "no-unresolved-refs"),
                      ("openapi.json", '"openapi": "3.0.3"', '"openapi": "3.0.3", "pahts": {}', "pahts")]),
    ("asyncapi.yaml", [("asyncapi.yaml", "action: send", "action: say", "allowed values"),
                       ("UsageDeleteEvent.avsc", '"name": "eventId"', '"nome": "eventId"', "messages.UsageDeleteEvent")]),
])
def test_the_linters_would_see_it(tmp_path, name, faults):
    for path in SCHEMAS.iterdir():
        shutil.copy(path, tmp_path)
    for file, old, new, _ in faults:
        text = (tmp_path / file).read_text()
        assert old in text
        (tmp_path / file).write_text(text.replace(old, new))

    done = lint(tmp_path / name)

    assert done.returncode == 1 and all(found in done.stdout for *_, found in faults), done.stdout + done.stderr


# --- OpenAPI ---

def official_of(name: str) -> dict | None:
    """TM Forum's definition of one of ours. Its _Create and _Update have all but id and href."""
    base, _, use = name.partition("_")
    definition = copy.deepcopy(OFFICIAL.get(base))
    if definition is not None and use and base in ("Usage", "UsageSpecification"):
        for key in ("id", "href"):
            del definition["properties"][key]
    return definition


def kind(schema: dict) -> tuple:
    """What a property is, in either file: its type, its format, what it refers to. float says nothing in JSON."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return () if name == "Any" else ("ref", name)
    items = schema.get("items", {}).get("$ref", "").rpartition("/")[2]
    form = schema.get("format") if schema.get("format") != "float" else None
    return tuple(one for one in (schema.get("type"), form, items) if one)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_schema_has_what_tm_forum_defines(name):
    ours, official = MODELS[name], official_of(name)
    assert official is not None, "no such definition"
    if "enum" in official:
        assert ours["enum"] == official["enum"]
        return

    expected = {key: kind(value) for key, value in official["properties"].items()}
    if name.endswith("_Update"):
        expected = {key: ("ref", f"{value[1]}_Update") if value[:1] == ("ref",) and value[1] in MERGED else value
                    for key, value in expected.items()}
    assert {key: kind(value) for key, value in ours["properties"].items()} == expected
    needed = set() if name.endswith("_Update") else set(official.get("required", ())) | NEEDED.get(name, set())
    assert set(ours.get("required", ())) == needed


def test_every_definition_that_is_needed_is_there():
    assert set(OFFICIAL) - {"Any"} <= set(MODELS)
    assert set(MODELS) - set(OFFICIAL) == {f"{name}_{use}" for name in ("Usage", "UsageSpecification")
                                           for use in ("Create", "Update")} | {f"{name}_Update" for name in MERGED}


def test_operations_and_their_answers_are_those_of_the_contract():
    paths = OPENAPI["paths"]
    assert {(path, method) for path in paths for method in paths[path] if method != "parameters"} == set(OPERATIONS)
    for (path, method), (name, success, more) in OPERATIONS.items():
        operation = paths[path][method]
        assert operation["operationId"] == name
        assert set(operation["responses"]) == {success} | EVERYWHERE | more, name
        medias = set(operation.get("requestBody", {}).get("content", ()))
        assert medias == ({"application/json", "application/x-ndjson"} if name == "createUsage" else
                          {"application/json"} if method == "post" else
                          {"application/json", "application/merge-patch+json"} if method == "patch" else set()), name


def test_every_error_answer_has_an_error_and_its_headers():
    answers = OPENAPI["components"]["responses"]
    for operation in (one for path in OPENAPI["paths"].values() for method, one in path.items() if method != "parameters"):
        for status, answer in operation["responses"].items():
            if status >= "400":
                named = answers[answer["$ref"].removeprefix("#/components/responses/")]
                assert named["content"]["application/json"]["schema"] == {"$ref": PREFIX + "Error"}
    assert set(answers["MethodNotAllowed"]["headers"]) == {"Allow"}
    assert set(answers["Unauthorized"]["headers"]) == {"WWW-Authenticate"}
    assert set(answers["UnsupportedMediaType"]["headers"]) == {"Accept-Patch"}


def every(node):
    yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from every(inner)


def test_limits_are_those_of_the_contract_and_said_twice_alike():
    for schema in (one for one in every(MODELS) if isinstance(one, dict)):
        assert schema.get("maxLength") == schema.get("x-maxBytes")
        if "x-wholeDigits" in schema:
            assert schema["maximum"] == -schema["minimum"] == 10.0 ** schema["x-wholeDigits"]
            assert schema["exclusiveMaximum"] is True and schema["exclusiveMinimum"] is True and schema["x-places"] == 9
    limited = {(name, key): value["maxLength"] for name, model in MODELS.items()
               for key, value in model.get("properties", {}).items() if "maxLength" in value}
    expected = {("RelatedParty", key): 256 for key in ("id", "role", "name")}
    for name in ("UsageSpecificationRef", "UsageSpecificationRef_Update"):
        expected |= {(name, "id"): 256, (name, "name"): 256}
    for use in ("", "_Create", "_Update"):
        expected |= {(f"Usage{use}", "usageType"): 64, (f"UsageSpecification{use}", "name"): 256}
    assert limited == expected
    for model in MODELS.values():
        for key, value in model.get("properties", {}).items():
            if model is MODELS["EventSubscriptionInput"] and key == "query":  # an empty one is none
                continue
            if value.get("type") == "string" and model is not MODELS["Error"]:
                assert value.get("minLength") == 1 or value.get("format") in ("date-time", "uri"), key


def test_a_patch_may_remove_all_but_what_must_stay():
    stay = {("Usage_Update", "usageDate"), ("Usage_Update", "status"), ("Usage_Update", "usageSpecification"),
            ("UsageSpecification_Update", "name"), ("UsageSpecificationRef_Update", "id"),
            ("TargetEntitySchema_Update", "@type"), ("TargetEntitySchema_Update", "@schemaLocation")}
    found = set()
    for name in (one for one in MODELS if one.endswith("_Update")):
        for key, value in MODELS[name]["properties"].items():
            target = MODELS[value["$ref"].removeprefix(PREFIX)] if "$ref" in value else value
            if not target.get("nullable"):
                found.add((name, key))
    assert found == stay
    assert not [name for name, model in MODELS.items() if not name.endswith("_Update")
                for value in every(model) if isinstance(value, dict) and "nullable" in value]


@pytest.mark.parametrize("status, rating, valid", [
    (None, None, True), ("received", None, True), ("guided", {}, True), ("rejected", {"taxRate": 6}, True),
    ("rated", None, False), ("rerated", {}, False), ("billed", "whole", True), ("rated", "whole", True),
    *(("rated", lacking, False) for lacking in ("ratingDate", "taxExcludedRatingAmount", "taxIncludedRatingAmount",
                                                "taxRate", "productRef")),
    ("recycled", "taxRate", True), ("rated", "no value", False), ("guided", "no value", True)])
def test_a_priced_usage_needs_whole_ratings(status, rating, valid):
    whole = {"ratingDate": "2026-11-23T08:18:41Z", "taxExcludedRatingAmount": {"unit": "CNY", "value": 0.6},
             "taxIncludedRatingAmount": {"unit": "CNY", "value": 0.636}, "taxRate": 6, "productRef": {"id": "p"}}
    if isinstance(rating, str):
        lacking, rating = rating, copy.deepcopy(whole)
        rating.pop(lacking, None)
        if lacking == "no value":
            del rating["taxExcludedRatingAmount"]["value"]
    body = {"usageSpecification": {"id": "x"}, **({"status": status} if status else {}),
            **({"ratedProductUsage": [whole, rating]} if rating is not None else {})}

    validator = Draft4Validator({"$ref": PREFIX + "Usage_Create", "components": {"schemas": MODELS}})

    assert validator.is_valid(body) is valid
    if status in ("rated", "rerated", "billed"):
        assert not validator.is_valid({**body, "ratedProductUsage": []})


# --- AsyncAPI ---

def test_every_topic_that_has_a_setting_is_a_channel():
    program = os.environ.get("USAGED_BIN", str(ROOT / "build" / "test" / "usaged"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("USAGED_")}
    said = subprocess.run([program, "settings"], capture_output=True, text=True, check=True, timeout=30, env=environment)

    topics = dict(re.findall(r"^(topic\.[a-z-]+) = (\S+) ", said.stdout, re.MULTILINE))

    assert len(topics) > 6
    assert {one["title"]: one["address"] for one in ASYNCAPI["channels"].values()} == topics


def test_what_comes_in_is_received_and_what_goes_out_is_sent():
    said = {one["channel"]["$ref"].rpartition("/")[2]: one["action"] for one in ASYNCAPI["operations"].values()}

    assert said == {name: "receive" if name in ("raw", "rated", "import") else "send" for name in ASYNCAPI["channels"]}


def test_every_avro_schema_is_the_payload_of_a_message():
    messages = ASYNCAPI["components"]["messages"]

    used = {name: one["payload"]["schema"]["$ref"] for name, one in messages.items() if "schema" in one["payload"]}

    assert used == {path.stem: f"./{path.name}" for path in SCHEMAS.glob("*.avsc")}


def test_dead_letters_have_the_headers_and_reasons_of_the_wire_contract():
    wire = (ROOT / "docs" / "wire.md").read_text()
    section = wire.partition("\n## 5. Dead letters")[2].partition("\n## 6")[0]
    before, _, after = section.partition("| reason | when |")
    ours = ASYNCAPI["components"]["schemas"]["DeadLetterHeaders"]

    rows = re.findall(r"^\| (`usaged\..*?) \|", before, re.MULTILINE)
    headers = [name for row in rows for name in re.findall(r"`(.*?)`", row)]
    reasons = re.findall(r"^\| `([a-z-]+)` \|", after, re.MULTILINE)

    assert len(headers) > 10 and list(ours["properties"]) == headers
    assert len(reasons) > 10 and ours["properties"]["usaged.reason"]["enum"] == reasons
