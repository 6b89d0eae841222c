"""docker-compose.yml and the Dockerfile, where no container engine is at hand: each setting of theirs is one of the
program's, what they name is there, and their health checks are true of the real parts."""

import os
import re
import shlex
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from rig.service import binary_path

ROOT = Path(__file__).resolve().parent.parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
OURS = ("migrate", "topics", "usaged")


def dockerfile(word):
    """The arguments of each such line, in order."""
    return re.findall(rf"^{word} (.*)$", DOCKERFILE, flags=re.M)


def image_environment():
    return dict(one.split("=", 1) for line in dockerfile("ENV") for one in shlex.split(line))


def environment(name):
    """What the program sees in this service's container."""
    return {**image_environment(), **{key: str(value) for key, value in SERVICES[name]["environment"].items()}}


def usaged(*words, env=None):
    return subprocess.run([binary_path(), *words], env=env or {}, capture_output=True, text=True, timeout=30, check=False)


def pom(artifact):
    """A version of tests/rig/pom.xml: what all other tests run with."""
    space = {"": "http://maven.apache.org/POM/4.0.0"}
    for one in ElementTree.parse(ROOT / "tests/rig/pom.xml").getroot().iterfind(".//dependency", space):
        if one.findtext("artifactId", namespaces=space) == artifact:
            return one.findtext("version", namespaces=space)
    raise AssertionError(f"pom.xml has no {artifact}")


@pytest.mark.parametrize("name", OURS)
def test_each_setting_is_one_of_the_programs_and_good(name):
    given = environment(name)
    assert all(key.startswith("USAGED_") for key in given)

    done = usaged("settings", env=given)

    assert (done.returncode, done.stderr) == (0, "")
    taken = re.findall(r"^[\w.-]+ = .*\(environment (USAGED_\w+)\)$", done.stdout, flags=re.M)
    assert sorted(taken) == sorted(given)


@pytest.mark.parametrize("name", OURS)
def test_each_command_is_one_of_the_programs(name):
    words = SERVICES[name].get("command") or shlex.split(dockerfile("CMD")[0].replace(",", " ").strip("[]"))

    # A wrong setting is reported last: a wrong command or option would be reported instead of it.
    done = usaged(*words, "--set", "workers=0")

    assert done.stderr == 'usaged: setting workers: "0" is not in 1 to 64 (--set)\n'
    assert dockerfile("ENTRYPOINT") == ['["usaged"]']


def test_the_parts_are_those_that_the_tests_run_with():
    images = {name: service["image"] for name, service in SERVICES.items() if name not in OURS}

    assert images == {"kafka": f"apache/kafka:{pom('kafka_2.13')}", "postgres": "postgres:15",
                      "registry": f"apicurio/apicurio-registry-mem:{pom('apicurio-registry-app')}"}
    assert {SERVICES[name]["build"] for name in OURS} == {"."}
    assert SERVICES["registry"]["environment"] == {"REGISTRY_CCOMPAT_LEGACY_ID_MODE_ENABLED": "true"}


def test_ports_are_open_to_this_machine_only_and_none_twice():
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]

    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in published)
    assert sorted(port.split(":")[1] for port in published) == sorted(["9092", "5432", "8081", "8635", "8636"])


def test_each_part_has_a_health_check_and_what_needs_it_waits_for_it():
    once = {"migrate", "topics"}
    waits = {name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
             for name, service in SERVICES.items()}

    for name, service in SERVICES.items():
        assert "healthcheck" in service or name in OURS
    assert dockerfile("HEALTHCHECK")
    assert waits == {"kafka": {}, "postgres": {}, "registry": {},
                     "migrate": {"postgres": "service_healthy"}, "topics": {"kafka": "service_healthy"},
                     "usaged": {**{one: "service_completed_successfully" for one in once}, "registry": "service_healthy"}}


def test_addresses_lead_to_services_and_roles_that_are_there():
    inside = dict(one.split("://") for one in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(","))
    roles = dict(re.findall(r"CREATE ROLE (\w+) .*PASSWORD '(\w+)'", COMPOSE["configs"]["roles"]["content"]))

    for name in OURS:
        given = environment(name)
        database = urlsplit(given["USAGED_DATABASE_URL"])
        assert given["USAGED_KAFKA_BOOTSTRAP_SERVERS"] == inside["INSIDE"] == "kafka:19092"
        assert urlsplit(given["USAGED_REGISTRY_URL"]).netloc == "registry:8080"
        assert (database.hostname, database.path) == ("postgres", "/usaged")
        assert database.password == roles[database.username]
        assert database.username == ("usaged_owner" if name == "migrate" else "usaged")
    assert "CREATE DATABASE usaged OWNER usaged_owner;" in COMPOSE["configs"]["roles"]["content"]
    assert SERVICES["postgres"]["configs"] == [{"source": "roles", "target": "/docker-entrypoint-initdb.d/roles.sql"}]
    listens = environment("usaged")
    for setting, port in (("USAGED_HTTP_LISTEN", 8635), ("USAGED_OPERATE_LISTEN", 8636)):
        assert listens[setting] == f"*:{port}" and f"127.0.0.1:{port}:{port}" in SERVICES["usaged"]["ports"]
    assert dockerfile("EXPOSE") == ["8635 8636"]


def test_the_image_is_built_from_what_is_there_and_not_run_by_root(tmp_path):
    copied = [line.split()[0] for line in dockerfile("COPY") if not line.startswith("--from")]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored and sorted(line[1:] for line in ignored if line.startswith("!")) == sorted(copied)
    for name in copied:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name)
        else:
            shutil.copy(ROOT / name, tmp_path / name)

    # As Docker calls it: not as a part of the make that runs the tests.
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-n", "build/usaged"], cwd=tmp_path, env=bare, capture_output=True, text=True,
                          check=False)

    assert done.returncode == 0, done.stderr
    assert dockerfile("FROM") == ["debian:12-slim AS build", "debian:12-slim"]
    assert dockerfile("USER") == ["10001:10001"]


def test_the_image_has_the_libraries_that_the_program_needs():
    dynamic = subprocess.run(["readelf", "-d", binary_path()], capture_output=True, text=True, check=True).stdout
    # The sanitizers' own are in no image.
    needed = set(re.findall(r"\(NEEDED\).*\[(lib(?!asan|ubsan)[\w.-]+)\]", dynamic)) - {"libc.so.6", "libm.so.6"}
    installed = next(line for line in dockerfile("RUN") if "install -y" in line)

    for library in needed:
        owner = subprocess.run(["dpkg", "-S", f"*/{library}"], capture_output=True, text=True, check=True).stdout
        assert owner.partition(":")[0] in installed.split(), library
    assert len(needed) >= 7 and {"curl", "ca-certificates"} <= set(installed.split())


def test_the_health_checks_tell_a_part_that_is_up_from_one_that_is_not(started):
    rig, service = started.rig, started.main
    checks = {"registry": ("/8080", f"/{rig.registry.port}"), "postgres": ("-q", f"-q -p {rig.postgres.port}")}

    def healthy(name):
        kind, *words = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        command = shlex.join(words).replace(*checks[name])
        return subprocess.run(command, shell=True, executable="/bin/bash", timeout=20, capture_output=True, check=False,
                              env={"PATH": "/usr/lib/postgresql/15/bin:/usr/bin:/bin"}).returncode == 0

    def alive():
        command = dockerfile("HEALTHCHECK")[0].partition("CMD ")[2].replace("127.0.0.1:8636", service.operate)
        return subprocess.run(shlex.split(command), timeout=20, capture_output=True, check=False).returncode == 0

    assert healthy("registry") and healthy("postgres") and alive()
    service.stop()
    assert not alive()
    checks["registry"], checks["postgres"] = ("/8080", "/1"), ("-q", "-q -p 1")
    assert not healthy("registry") and not healthy("postgres")
