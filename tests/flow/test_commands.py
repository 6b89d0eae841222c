"""The commands of the program and the start of `usaged run`: what each says, and the exit code that it ends with."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from lib.publish import register
from lib.records import Records
from rig.postgres import OWNER, RUNTIME
from rig.process import Process
from rig.service import binary_path
from rig.wait import until

CLEAN = {key: value for key, value in os.environ.items() if not key.startswith("USAGED_")}
PSQL = shutil.which("psql", path="/usr/lib/postgresql/15/bin") or "psql"


def usaged(*words, env=None):
    """The program without a rig, in a folder that is not its own."""
    return subprocess.run([binary_path(), *words], env={**CLEAN, **(env or {})}, cwd="/", capture_output=True, text=True,
                          timeout=30, check=False)


def sets(*assignments):
    return [word for one in assignments for word in ("--set", one)]


def cannot_start(service, *words, **settings):
    """`usaged run` to its end, which must be at once and with exit 1; the one line that says why."""
    done = service.run("run", *words, settings=settings, check=False)
    said = [line for line in done.stderr.splitlines() if line.startswith("usaged: ")]
    assert done.returncode == 1 and len(said) == 1, done.stderr
    assert said[0].startswith("usaged: cannot start: ")
    return said[0]


@pytest.fixture
def bare(rig):
    """A scene whose topics nobody has made."""
    made = rig.scene("bare", create_topics=False)
    yield made
    rig.mend()
    made.stop()


@pytest.fixture
def ready(scene):
    """A service of a migrated database, not started."""
    scene.main = scene.service()
    scene.main.migrate()
    return scene.main


# ---- the command line and the settings -------------------------------------------------------------------------------

def test_the_version_is_one_line():
    done = usaged("--version")

    assert (done.returncode, done.stderr) == (0, "") and re.fullmatch(r"usaged \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("words", [(), ("fly",), ("run", "now"), ("run", "--fast"), ("-x", "run"), ("run", "--set"),
                                   ("run", "--print"), ("topics", "--partitions", "3"), ("migrate", "--role", "a\"b"),
                                   ("topics", "--create", "--partitions", "0"), ("run", "--set", "batch.records")])
def test_a_wrong_command_line_is_one_line_and_exit_2(words):
    done = usaged(*words)

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("usaged: ")


def test_the_help_and_the_settings_name_the_same_settings():
    told = re.findall(r"^  ([a-z][\w.-]+) {2,}", usaged("--help").stdout.partition("\nsettings, each")[2], flags=re.M)
    printed = re.findall(r"^([a-z][\w.-]+) = ", usaged("settings").stdout, flags=re.M)

    assert told == printed and len(told) > 40


@pytest.mark.parametrize("command", ["run", "migrate", "topics", "offsets", "replay", "export", "import", "settings"])
def test_the_help_of_one_command_is_short_and_about_it(command):
    done = usaged(command, "--help")

    assert (done.returncode, done.stderr) == (0, "") and len(done.stdout.splitlines()) < 15
    assert done.stdout.startswith(f"usage: usaged [-c FILE] [--set NAME=VALUE]... {command}")
    assert usaged("--help", command).stdout == usaged(command, "-h").stdout == done.stdout


def test_the_later_source_wins_and_is_named(tmp_path):
    file = tmp_path / "usaged.ini"
    file.write_text("# comment\n; another\nworkers = 2\n[batch]\nrecords = 7\nwait-ms = 30\nbytes=1 MiB\n")

    done = usaged("-c", str(file), "settings", *sets("batch.wait-ms=50"),
                  env={"USAGED_BATCH_WAIT_MS": "40", "USAGED_BATCH_BYTES": "2 MiB", "USAGED_KAFKA_LINGER_MS": "3"})

    assert (done.returncode, done.stderr) == (0, "")
    for line in (f"workers = 2 (file {file} line 3)", f"batch.records = 7 (file {file} line 5)",
                 "batch.wait-ms = 50 (--set)", "batch.bytes = 2 MiB (environment USAGED_BATCH_BYTES)", "event.key = party (default)",
                 "kafka.linger.ms = 3 (environment USAGED_KAFKA_LINGER_MS)"):
        assert line in done.stdout.splitlines()


def test_secrets_are_read_from_files_and_never_printed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("geheim\n")
    url = tmp_path / "url"
    url.write_text("postgresql://me:geheim@db.example/usaged?sslpassword=geheim\n")

    done = usaged("settings", *sets("registry.user=me", "kafka.sasl.password=geheim"),
                  env={"USAGED_REGISTRY_PASSWORD_FILE": str(secret), "USAGED_DATABASE_URL_FILE": str(url),
                       "USAGED_KAFKA_SSL_KEY_PASSWORD": "geheim"})

    assert done.returncode == 0 and "geheim" not in done.stdout + done.stderr
    for line in ("registry.password = *** (environment USAGED_REGISTRY_PASSWORD_FILE)",
                 "database.url = postgresql://me:***@db.example/usaged?sslpassword=*** "
                 "(environment USAGED_DATABASE_URL_FILE)",
                 "kafka.sasl.password = *** (--set)",
                 "kafka.ssl.key.password = *** (environment USAGED_KAFKA_SSL_KEY_PASSWORD)"):
        assert line in done.stdout.splitlines()


@pytest.mark.parametrize("words,env,line", [
    ((), {"USAGED_BATCH_RECORDS": "0"},
     'setting batch.records: "0" is not in 1 to 100000 (environment USAGED_BATCH_RECORDS)'),
    (sets("batch.records=0x10"), {}, 'setting batch.records: "0x10" is not a whole number (--set)'),
    (sets("usage.newest=1 week"), {},
     'setting usage.newest: "1 week" is not a number with ms, s, m, h, d or y (--set)'),
    (sets("record.max-bytes=1 kB"), {},
     'setting record.max-bytes: "1 kB" is not a number of bytes, nor one with KiB, MiB or GiB (--set)'),
    (sets("registry.register=yes"), {}, 'setting registry.register: "yes" is not false or true (--set)'),
    (sets("kafka.bootstrap.servers="), {}, 'setting kafka.bootstrap.servers: "" names no broker like kafka.example:9092 (--set)'),
    (sets("start.offset=now"), {}, 'setting start.offset: "now" is not earliest or latest (--set)'),
    (sets("batch.size=3"), {}, "setting batch.size: there is no such setting; `usaged --help` lists them (--set)"),
    ((), {"USAGED_BATCH_SIZE": "3"},
     "setting USAGED_BATCH_SIZE: there is no such setting; `usaged --help` lists them (environment USAGED_BATCH_SIZE)"),
    ((), {"USAGED_KAFKA_COLOR": "red"},
     "setting kafka.color: librdkafka has no property color (environment USAGED_KAFKA_COLOR)"),
    ((), {"USAGED_WORKERS_FILE": "/nowhere/x"},
     "setting workers: cannot read /nowhere/x: No such file or directory (environment USAGED_WORKERS_FILE)"),
    (sets("topic.raw=usage.create"), {},
     'setting topic.raw: "usage.create" has the topic usage.create, which is topic.create\'s too (--set)'),
    (sets("topic.raw=a,b", "topic.rated=c,b"), {},
     'setting topic.rated: "c,b" has the topic b, which is topic.raw\'s too (--set)'),
    (sets("event.max-bytes=2 MiB"), {},
     'setting event.max-bytes: "2 MiB" and 64 KiB are 2162688 bytes, more than kafka.message.max.bytes, which is 1000000 '
     "(--set)"),
    (("-c", "/nowhere/usaged.ini"), {}, "file /nowhere/usaged.ini: No such file or directory"),
])
@pytest.mark.parametrize("command", ["run", "settings"])
def test_a_bad_setting_is_one_line_and_exit_2(command, words, env, line):
    done = usaged(command, *words, env=env)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"usaged: {line}\n"


@pytest.mark.parametrize("name", ["enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset", "isolation.level",
                                  "enable.idempotence", "acks", "transactional.id", "max.in.flight",
                                  "max.in.flight.requests.per.connection", "partition.assignment.strategy",
                                  "group.instance.id", "partitioner", "enable.partition.eof"])
def test_what_the_protocol_sets_is_refused(name):
    done = usaged("settings", *sets(f"kafka.{name}=1"))

    assert done.returncode == 2
    assert done.stderr == (f'usaged: setting kafka.{name}: "1" is refused: usaged sets {name} itself, taking each record '
                           "exactly once depends on it (--set)\n")


def test_all_errors_of_one_start_are_printed_and_no_secret(tmp_path):
    file = tmp_path / "usaged.ini"
    file.write_text("workers = 2\nworkers = 3\nwithout equals\n[batch]\nrecords = many\nsize = 3\n")

    done = usaged("-c", str(file), "run", *sets("database.url=postgresql://me:geheim@[bad/usaged", "workers=0"),
                  env={"USAGED_EVENT_KEY": "name", "USAGED_INSTANCE_ID": "a", "USAGED_INSTANCE_ID_FILE": "/dev/null"})

    assert done.returncode == 2 and "geheim" not in done.stderr
    assert set(done.stderr.splitlines()) == {
        f"usaged: setting workers: given a second time, first in file {file} line 1 (file {file} line 2)",
        f'usaged: file {file} line 3: the line is not "name = value", [section] or a comment',
        f"usaged: setting batch.size: there is no such setting; `usaged --help` lists them (file {file} line 6)",
        f'usaged: setting batch.records: "many" is not a whole number (file {file} line 5)',
        'usaged: setting workers: "0" is not in 1 to 64 (--set)',
        'usaged: setting event.key: "name" is not party or id (environment USAGED_EVENT_KEY)',
        "usaged: setting instance.id: given twice, in environment USAGED_INSTANCE_ID and in environment "
        "USAGED_INSTANCE_ID_FILE",
        "usaged: setting database.url: libpq cannot read the value; postgresql://user@host:port/database is the form, "
        "with %XX for special characters (--set)"}


# ---- migrate, and the schema that `run` accepts ------------------------------------------------------------------------

def migrate(service, *words, check=True):
    return service.run("migrate", *words, settings={"database.url": service.scene.owner_url}, check=check)


def applied(scene):
    with scene.connect() as db:
        return db.execute("SELECT number, name, checksum, applied_at FROM schema_migration ORDER BY number").fetchall()


def test_migrate_makes_the_schema_once(bare):
    service = bare.service()

    first = migrate(service).stdout.splitlines()
    rows = applied(bare)
    second = migrate(service).stdout.splitlines()

    assert first == [*(f"applied {name}" for _, name, _, _ in rows), f"granted {RUNTIME} its rights",
                     f"schema is at {len(rows)}"]
    assert second == [f"granted {RUNTIME} its rights", f"schema is at {len(rows)}"]
    assert applied(bare) == rows != []


def test_two_migrates_at_once_take_turns(bare):
    service = bare.service()
    with bare.connect() as db:
        db.execute("SELECT pg_advisory_lock(hashtextextended('usaged.migrate', 0))")
        both = [subprocess.Popen(service.command("migrate", settings={"database.url": bare.owner_url}), env=CLEAN,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
        until("both have asked for the lock", lambda: db.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'"
            " AND application_name = 'usaged-migrate' AND query LIKE '%pg_try_advisory_lock%'").fetchone() == (2,))

    said = [one.communicate(timeout=60)[0] for one in both]

    assert [one.returncode for one in both] == [0, 0], said
    assert "".join(said).count("applied ") == len(applied(bare))
    assert all("waiting for another usaged migrate\n" in one for one in said)


def test_a_migration_that_was_changed_is_refused_by_migrate_and_run(bare):
    service = bare.service()
    service.migrate()
    with bare.connect() as db:
        db.execute("UPDATE schema_migration SET checksum = 'x' WHERE number = 1")

    done = migrate(service, check=False)

    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("usaged: migrate: migration 0001_") and "another checksum" in done.stderr
    assert "another checksum" in cannot_start(service)


def test_run_says_what_to_run_on_a_database_without_the_schema(bare):
    line = cannot_start(bare.service())

    assert "`usaged migrate`" in line


def test_run_and_migrate_refuse_a_schema_that_is_newer(bare):
    service = bare.service()
    service.migrate()
    newest = applied(bare)[-1][0]
    with bare.connect() as db:
        db.execute("INSERT INTO schema_migration VALUES (%s, '9999_later.sql', 'x')", (newest + 1,))

    assert f"it has migration {newest + 1}, 9999_later.sql, and the program knows {newest}" in cannot_start(service)
    assert migrate(service, check=False).returncode == 1


def test_what_migrate_prints_makes_a_database_that_run_accepts(scene, publisher, settled_and_right):
    service = scene.service()
    printed = usaged("migrate", "--print").stdout
    subprocess.run([PSQL, "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", scene.owner_url], input=printed, text=True, check=True,
                   capture_output=True, timeout=30)
    assert migrate(service).stdout == f"granted {RUNTIME} its rights\nschema is at {len(applied(scene))}\n"

    service.start()
    publisher.raws(Records(1).take(20))

    settled_and_right()


def test_migrate_says_which_role_is_missing(bare):
    done = migrate(bare.service(), "--role", "usaged_nobody")

    assert done.returncode == 0
    assert "there is no role usaged_nobody, so nothing was granted: CREATE ROLE \"usaged_nobody\" LOGIN" in done.stdout


def test_run_names_a_right_that_its_role_lacks(ready):
    with ready.scene.connect() as db:
        db.execute(f"REVOKE UPDATE ON usage_row FROM {RUNTIME}")

    line = cannot_start(ready)

    assert "UPDATE on usaged.usage_row" in line and "`usaged migrate --role NAME`" in line
    ready.migrate()
    ready.start()


def test_the_run_time_role_owns_nothing_but_the_outbox(ready):
    ready.start()

    with ready.scene.connect() as db:
        roles = until("the service has sessions", lambda: db.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'usaged/%'").fetchall())
        owners = dict(db.execute("SELECT relname, relowner::regrole::text FROM pg_class"
                                 " WHERE relnamespace = 'usaged'::regnamespace AND relkind IN ('r', 'p', 'v')").fetchall())
        rights = db.execute("SELECT has_schema_privilege(%s, 'usaged', 'CREATE'), pg_has_role(%s, %s, 'MEMBER')",
                            (RUNTIME, RUNTIME, OWNER)).fetchone()
    assert roles == [(RUNTIME,)]
    assert owners.pop("outbox") == RUNTIME and set(owners.values()) == {OWNER} and len(owners) > 5
    assert rights == (False, False)


def test_a_migration_by_another_than_the_owner_is_told_who_may(bare):
    done = bare.service().run("migrate", check=False)

    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "permission denied" in done.stderr and "; run it as the schema's owner" in done.stderr


def test_a_database_that_does_not_answer_is_one_line(bare):
    done = bare.service().run("migrate", settings={"database.url": "postgresql://x@127.0.0.1:1/x"}, check=False)

    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("usaged: migrate: ") and "refused" in done.stderr


# ---- topics --------------------------------------------------------------------------------------------------------

def test_topics_makes_those_that_are_missing_when_told_to(bare):
    service = bare.service()
    missing = service.topics()

    made = service.topics(create=True, partitions=3)

    assert missing.returncode == 1 and missing.stdout.count("does not exist") == 9
    assert f"{bare.topic['state-change']}" in missing.stdout and "(setting topic.state-change)" in missing.stdout
    assert made.returncode == 0 and made.stdout.count("made ") == 9 and made.stdout.count("3 partitions  ok") == 9
    assert {bare.rig.kafka.partitions(name) for name in bare.topic.values()} == {3}
    again = service.topics(create=True)
    assert again.returncode == 0 and "made" not in again.stdout


def test_topics_and_run_refuse_an_outbound_topic_that_is_missing(ready):
    topic = ready.scene.topic["attribute-change"]
    ready.scene.rig.kafka.delete_topics([topic])

    line = cannot_start(ready)

    assert f"topic {topic} does not exist (setting topic.attribute-change)" in line and "`usaged topics --create`" in line
    assert ready.topics().returncode == 1
    assert ready.topics(create=True).returncode == 0
    ready.start()


def test_topics_and_run_refuse_an_outbound_topic_that_does_not_fit(bare):
    service, kafka = bare.service(), bare.rig.kafka
    service.migrate()
    compacted, small = bare.topic["create"], bare.topic["dead-letter"]
    kafka.create_topics([compacted], 1, {"cleanup.policy": "compact"})
    kafka.create_topics([small], 1, {"max.message.bytes": "200000"})
    kafka.create_topics(set(bare.topic.values()) - {compacted, small}, 1)

    said = service.topics()
    line = cannot_start(service)

    largest = 900 * 1024 + 65536
    assert said.returncode == 1 and said.stdout.count("  ok\n") == 7
    assert re.search(rf"^{re.escape(compacted)} .*is compacted \(setting topic.create\)", said.stdout, flags=re.M)
    assert re.search(rf"^{re.escape(small)} .*max\.message\.bytes 200000 \(setting topic\.dead-letter\).* {largest}:",
                     said.stdout, flags=re.M)
    assert f"topic {compacted} is compacted (setting topic.create)" in line
    for call in re.findall(r"kafka-configs\.sh .*?(?=\s*$|, or)", said.stdout, flags=re.M):
        assert f"--bootstrap-server {kafka.bootstrap}" in call
    lower = service.run("topics", settings={"event.max-bytes": "100 KiB"}, check=False)
    assert "max.message.bytes" not in lower.stdout and lower.returncode == 1


def test_run_waits_for_an_inbound_topic_and_makes_none(bare):
    kafka = bare.rig.kafka
    kafka.create_topics(bare.outbound, 1)
    service = bare.service()
    service.migrate()

    service.start(wait=False)
    until("/readyz says that there is no topic",
          lambda: service.readyz()[1]["waiting"]["topics"] == "no inbound topic exists")
    assert service.readyz()[0] == 503
    kafka.create_topics([bare.topic["raw"]], 2)

    service.wait_ready()
    until("both partitions are taken over, and @http", lambda: service.metric("usaged_takeovers_total", found="first") == 3)
    assert bare.topic["rated"] not in kafka.admin().list_topics(timeout=10).topics
    service.wait_log(rf"warning .*a topic is not there.* topic={re.escape(bare.topic['rated'])}\n")
    assert service.log_text().count("a topic is not there") <= 4


# ---- the registry ------------------------------------------------------------------------------------------------------

def test_run_registers_nothing_when_told_not_to(ready):
    subject = f"{ready.scene.topic['create']}-value"

    line = cannot_start(ready, **{"registry.register": "false"})

    assert f"subject {subject} " in line and "registry.register is false" in line
    assert subject not in ready.scene.rig.registry.subjects()
    ready.start()
    ready.stop()
    ready.settings["registry.register"] = "false"
    ready.start()


def test_a_registry_that_refuses_a_schema_stops_the_start_with_its_answer(ready):
    url, subject = ready.scene.rig.registry.url, f"{ready.scene.topic['create']}-value"
    register(url, subject, {"type": "record", "name": "UsageCreateEvent", "namespace": "usaged.v1",
                            "fields": [{"name": "eventId", "type": "int"}]})
    requests.put(f"{url}/config/{subject}", json={"compatibility": "BACKWARD"}, timeout=10).raise_for_status()

    line = cannot_start(ready)

    assert f"the registry refuses the schema of subject {subject}: HTTP 409" in line


# ---- anywhere ----------------------------------------------------------------------------------------------------------

def test_the_program_runs_from_any_folder(ready, publisher, settled_and_right):
    ready.process = Process(ready.command("run"), ready.log_file, env=CLEAN, cwd=Path("/"))
    ready.wait_ready()

    publisher.raws(Records(1).take(20))

    settled_and_right()


def test_a_port_that_is_taken_is_named(ready):
    ready.start()
    second = ready.scene.service("b")

    for name, address in (("operate.listen", ready.operate), ("http.listen", ready.http)):
        line = cannot_start(second, **{name: address})
        assert address in line


def test_offsets_is_a_line_a_partition(ready, publisher, settled_and_right):
    ready.start()
    publisher.raws(Records(1).take(20), partition=2)
    settled_and_right()

    lines = ready.run("offsets").stdout.splitlines()

    assert lines[0].split() == ["topic", "partition", "low", "high", "stored", "published", "outbox", "verdict"]
    assert len(lines) == 1 + 3 * 4 + 1
    assert lines[-1].split() == ["@http", "0", "-", "-", "0", "0", "0", "equal"]
    for line in lines[1:-1]:
        topic, partition, low, high, stored, published, _, verdict = line.split()
        mark = "20" if (topic, partition) == (ready.scene.topic["raw"], "2") else "0"
        assert (low, high, stored, published, verdict) == ("0", mark, mark, mark, "equal")


def test_offsets_says_what_to_run_on_a_database_without_the_schema(bare):
    bare.rig.kafka.create_topics(bare.inbound, 1)

    done = bare.service().run("offsets", check=False)

    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("usaged: offsets: ") and "usaged migrate" in done.stderr
