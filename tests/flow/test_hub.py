"""The hub: whoever has registered a callback is told of every event, in the contract's JSON, in order and at least once."""

import ssl
import subprocess

import pytest
from confluent_kafka import Producer
from lib import swagger
from lib.consume import read_all
from lib.faults import lines
from lib.hub import DIGITS, Hub, check_numbers
from lib.listener import CLOSE, HANG
from lib.publish import Publisher
from lib.records import Records
from lib.writers import published
from rig.wait import until

RATING = {"ratingDate": "2026-11-20T08:18:41.007Z", "taxExcludedRatingAmount": {"unit": "CNY", "value": 0.60},
          "taxIncludedRatingAmount": {"unit": "CNY", "value": 0.636}, "taxRate": 6, "productRef": {"id": "prod-7781"}}


@pytest.fixture(scope="module")
def hub(rig):
    made = Hub(rig.scene("hub"))
    yield made
    made.close()


@pytest.fixture
def registered(hub):
    """Registers listeners that are gone after the test, each behind all that was written over HTTP by then: an answer to a
    write comes before its event is in Kafka, so that a listener that is registered in between may rightly be told of it."""
    ids = []

    def register(callback, query=None):
        until("all that was written is published", lambda: published(hub.scene))
        ids.append(hub.register(callback, query))
        return ids[-1]

    yield register
    for one in ids:
        hub.send("DELETE", f"/hub/{one}")


def order_of(told):
    """Ids of resources as they were told, without repeats."""
    return list(dict.fromkeys(one.resource["id"] for one in told))


# --- registration ---


def test_a_listener_is_told_until_it_is_unregistered(hub, listening):
    listener = listening()
    assert hub.scene.rig.kafka.group_members(f"{hub.scene.group}-hub") == 0, "without a listener there is no consumer"

    answer = hub.send("POST", "/hub", {"callback": f"{listener.url}/tmf/", "query": ""})

    made = answer.json()
    assert answer.status == 201 and swagger.faults("EventSubscription", {**made, "query": "x"}) == []
    assert {**made, "id": None} == {"id": None, "callback": f"{listener.url}/tmf/"}
    assert answer.header("Location") == f"{hub.service.base}/hub/{made['id']}"
    usage = hub.made(description="first")
    told, = listener.wait(1)
    assert told.path == "/tmf/listener/usageCreateEvent"
    assert told.headers["content-type"] == "application/json;charset=utf-8"
    assert told.resource == usage
    assert hub.service.metric("usaged_hub_listeners", state="active") == 1
    assert hub.send("DELETE", f"/hub/{made['id']}").status == 204
    hub.send("DELETE", f"/hub/{made['id']}").is_error(404)
    until("the consumer is gone", lambda: hub.scene.rig.kafka.group_members(f"{hub.scene.group}-hub") == 0)
    hub.made(description="second")
    until("nobody is listening", lambda: hub.service.metric("usaged_hub_listeners") == 0)
    assert len(listener.tried) == 1
    assert [bool(lines(hub.service, f"listener {what} .*token=- listener={made['id']}")) for what in
            ("registered", "unregistered")] == [True, True]


@pytest.mark.parametrize("body, words", [
    ({}, "callback"), ({"callback": 7}, "callback"), ({"callback": ""}, "callback"), ([], "object"),
    ({"callback": "x"}, "absolute URL"), ({"callback": "ftp://h/"}, "http"), ({"callback": "http://u:p@h/"}, "user"),
    ({"callback": "http://127.0.0.1/?a=1"}, "query"), ({"callback": "http://127.0.0.1/#"}, "fragment"),
    ({"callback": "http://127.0.0.1/" + "a" * 2048}, "2048"),
    ({"callback": "http://no-such-host.invalid/"}, "resolved"),
    ({"callback": "http://127.0.0.1/", "query": 7}, "query"), ({"callback": "http://127.0.0.1/", "query": None}, "query"),
    ({"callback": "http://127.0.0.1/", "query": "status=rated"}, "status"),
    ({"callback": "http://127.0.0.1/", "query": "eventType=UsageRateEvent"}, "eventType"),
    ({"callback": "http://127.0.0.1/", "query": "event.usage.status=Rated"}, "event.usage.status"),
    ({"callback": "http://127.0.0.1/", "query": "event.usage.description.regex=("}, "event.usage.description")])
def test_a_registration_that_cannot_be_is_400_and_names_the_attribute(hub, body, words):
    assert words in hub.send("POST", "/hub", body).is_error(400)

    assert hub.service.metric("usaged_hub_listeners") == 0


@pytest.mark.parametrize("host", [
    "127.0.0.2", "localhost", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "[::1]", "[::]", "[::ffff:10.0.0.1]", "[fd00::1]", "[fe80::1]", "[2002:a00:1::]", "2130706434", "0x7f000002",
    "127.2", "0177.0.0.2"])
def test_a_host_that_is_not_public_is_400(hub, host):
    assert "hub.allow-networks" in hub.send("POST", "/hub", {"callback": f"http://{host}:9/"}).is_error(400)


def test_the_path_is_for_registrations_only(hub):
    for method, path, allowed in (("GET", "/hub", "POST, OPTIONS"), ("PATCH", "/hub/x", "DELETE, OPTIONS"),
                                  ("GET", "/hub/x", "DELETE, OPTIONS")):
        answer = hub.send(method, path)
        answer.is_error(405)
        assert answer.header("Allow") == allowed
    hub.send("DELETE", "/hub/01a20779-75ca-882e-8c96-86cbff439931").is_error(404)
    hub.send("DELETE", "/hub/x").is_error(404)
    hub.send("POST", "/hub", {"callback": "http://127.0.0.1/"}, kind="text/plain").is_error(415)
    hub.send("POST", "/hub?a=1", {"callback": "http://127.0.0.1/"}).is_error(400)


# --- what is told ---


def test_the_seven_events_are_what_tm_forum_says(hub, listening, registered):
    listener = listening()
    registered(listener.url)

    usage = hub.made(status="guided", usageDate="2026-11-20T08:15:30.250Z", usageType="VOICE", description="a call",
                     relatedParty=[{"id": "p", "role": "subscriber", "@referredType": "Customer"}], usageCharacteristic=[
                         {"name": "sourceSystem", "value": "s"}, {"name": "sourceRecordId", "value": "r"},
                         {"name": "n", "value": "DIGITS"}, {"name": "o", "value": {"a": [1, None]}}])
    rated = hub.send("PATCH", f"/usage/{usage['id']}", {"status": "rated", "ratedProductUsage": [RATING]}).json()
    changed = hub.send("PATCH", f"/usage/{usage['id']}", {"description": "b", "usageType": "SMS"}).json()
    hub.send("DELETE", f"/usage/{usage['id']}")
    specification = hub.send("POST", "/usageSpecification", {"name": "n", "version": "1"}).json()
    second = hub.send("PATCH", f"/usageSpecification/{specification['id']}", {"version": "2"}).json()
    hub.send("DELETE", f"/usageSpecification/{specification['id']}")

    told = {one.type: one for one in listener.wait(7)}
    assert set(told) == {kind for kind in swagger.kinds() if kind.endswith("Event")}
    for kind, one in told.items():
        assert swagger.faults(kind, one.body) == []
        assert one.path == f"/listener/{kind[0].lower()}{kind[1:]}"
        assert one.body["domain"] == "Usage" and one.body["eventId"] and one.body["eventTime"]
        assert one.body.get("correlationId") == (None if "Specification" in kind else "s/r")
    resource = {kind: one.resource for kind, one in told.items()}
    assert resource == {
        "UsageCreateEvent": usage, "UsageStateChangeEvent": rated, "UsageAttributeValueChangeEvent": changed,
        "UsageDeleteEvent": changed, "UsageSpecificationCreateEvent": specification,
        "UsageSpecificationAttributeValueChangeEvent": second, "UsageSpecificationDeleteEvent": second}
    assert {kind: one.body.get("description") for kind, one in told.items() if "description" in one.body} == {
        "UsageStateChangeEvent": "guided to rated"}
    assert {kind: one.body["fieldPath"] for kind, one in told.items() if "fieldPath" in one.body} == {
        "UsageAttributeValueChangeEvent": "description,usageType", "UsageSpecificationAttributeValueChangeEvent": "version"}
    assert '"value":0.6}' in told["UsageStateChangeEvent"].text and f'"value":{DIGITS}}}' in told["UsageCreateEvent"].text


def test_what_the_parts_of_a_usage_have_beyond_their_model_is_told_and_can_be_asked_for(hub, listening, registered):
    more = {"@type": "T", "x-more": {"a": [None, 1]}}
    everything, some = listening(), listening()
    registered(everything.url)
    registered(some.url, "event.usage.relatedParty.@type=T&event.usage.ratedProductUsage.taxExcludedRatingAmount.unit=CNY")

    usage = hub.made(status="guided", usageSpecification={"id": "x", **more}, relatedParty=[{"id": "p", "@referredType": "C", **more}],
                     usageCharacteristic=[{"name": "n", "value": 1, "characteristicRelationship": [{"id": "1", **more}], **more}],
                     ratedProductUsage=[{"taxExcludedRatingAmount": {"unit": "CNY"}, "taxIncludedRatingAmount": {"value": 1, "id": "m", **more},
                                         "productRef": {"id": "p", **more}, **more}])

    for listener in (everything, some):
        told, = listener.wait(1)
        assert told.resource == usage


def test_a_query_restricts_what_is_told(hub, listening, registered):
    wanted = {"eventType=UsageStateChangeEvent": lambda one: one.type == "UsageStateChangeEvent",
              "event.usage.usageType=SMS,DATA": lambda one: one.resource["usageType"] in ("SMS", "DATA"),
              "event.usage.relatedParty.id=p-1&event.usage.relatedParty.role=x;eventType=UsageDeleteEvent":
                  lambda one: one.type == "UsageDeleteEvent" or one.resource["relatedParty"][0]["role"] == "x",
              "event.usage.usageCharacteristic.value.gt=5": lambda one: one.resource["usageCharacteristic"][0]["value"] > 5,
              "event.usage.description.regex=%5Cd%2B$": lambda one: one.resource["description"][-1].isdigit(),
              "event.usageSpecification.name=n": lambda one: False}
    everything, some = listening(), {query: listening() for query in wanted}
    registered(everything.url)
    for query, listener in some.items():
        registered(listener.url, query)

    for number in range(8):
        usage = hub.made(usageType=("VOICE", "SMS", "DATA")[number % 3], description="x" + "7" * (number % 2),
                         relatedParty=[{"id": "p-1", "role": "xy"[number % 2], "@referredType": "Customer"}],
                         usageCharacteristic=[{"name": "n", "value": number}])
        hub.send("PATCH", f"/usage/{usage['id']}", {"status": "guided"})
        if number % 4 == 0:
            hub.send("DELETE", f"/usage/{usage['id']}")

    told = everything.wait(18)
    for query, listener in some.items():
        expected = [one.text for one in told if wanted[query](one)]
        found = [one.text for one in listener.wait(len(expected))]
        assert sorted(found) == sorted(expected), query
    assert all(0 < len(listener.told) < 18 for query, listener in some.items() if "Specification" not in query)
    until("nobody is behind", lambda: hub.service.metric("usaged_hub_backlog") == 0)
    assert [len(one.told) for one in some.values()] == [len([1 for one in told if wanted[query](one)]) for query in some]


def test_what_was_committed_after_the_answer_is_told_and_nothing_from_before(hub, listening, registered):
    before = hub.made(description="before")
    early = listening()
    registered(early.url)
    hub.made(description="to have an event's bytes")
    early.wait(1)
    event = next(one for one in read_all(hub.scene.rig.kafka, [hub.scene.topic["create"]]) if b"to have" in one.value)
    producer = Producer({**hub.scene.rig.kafka.client, "transactional.id": "test-open"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(hub.scene.topic["create"], event.value, partition=event.partition)
    producer.flush(20)

    listener = listening()
    registered(listener.url)  # the event lies in the topic, but is not committed
    producer.commit_transaction(20)
    last = hub.made(description="after")

    told = listener.wait(2)
    assert sorted(one.resource["description"] for one in told) == ["after", "to have an event's bytes"]
    assert last["id"] in order_of(told) and before["id"] not in order_of(told)


def test_the_trace_of_a_record_goes_on_with_its_event(hub, listening, registered):
    """From the record to the listener; of what is no trace, and of other headers, nothing."""
    parent, state = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"
    evil = b"\r\nx-evil: 1"
    cases = [([("traceparent", parent), ("tracestate", state)], (parent, state)), ([("traceparent", parent)], (parent, None)),
             ([("traceparent", parent), ("tracestate", state + evil)], (parent, None)), ([("tracestate", state)], (None, None)),
             ([("traceparent", parent + evil), ("tracestate", state)], (None, None)),
             ([("traceparent", None), ("x-other", b"1")], (None, None)), ([], (None, None))]
    listener, publisher = listening(), Publisher(hub.scene)
    registered(listener.url)

    records = Records(7, source=listener.url).take(len(cases))
    entries = [publisher.raw(record, headers=headers) for record, (headers, _) in zip(records, cases)]
    publisher.flush()

    told = {one.body["eventId"]: one.headers for one in listener.wait(len(cases))}
    assert len(told) == len(entries)
    found = sorted(str((one.get("traceparent"), one.get("tracestate"))) for one in told.values())
    assert found == sorted(str(tuple(value and value.decode() for value in wanted)) for _, wanted in cases)
    assert not any({"x-evil", "x-other"} & set(one) for one in told.values())


def test_a_message_that_is_no_event_is_passed_over(hub, listening, registered):
    listener = listening()
    registered(listener.url)
    producer = Producer(hub.scene.rig.kafka.client)
    for partition in range(4):
        producer.produce(hub.scene.topic["create"], b"no event", partition=partition)
        producer.produce(hub.scene.topic["create"], None, partition=partition)
    producer.flush(20)

    usages = hub.many(8)

    assert order_of(listener.wait(8)) and set(order_of(listener.told)) == set(usages)
    hub.service.wait_log("a message that is no event is passed over by the hub")


# --- listeners that fail ---


def is_told_again(hub, listening, register, failure):
    refusing = [True]
    listener = listening(lambda told: failure if refusing[0] else 204)
    id_ = register(listener.url)
    usages = hub.many(3, parties=1)
    tried = listener.wait_tried(2)
    assert order_of(tried) == usages[:1], "nothing overtakes it"

    refusing[0] = False

    told = listener.wait(3)
    assert order_of(told) == usages
    assert {one.path for one in listener.tried} == {"/listener/usageCreateEvent"}, "no redirection was followed"
    assert len({one.text for one in listener.tried if one.resource["id"] == usages[0]}) == 1, "a repeat is the same"
    hub.service.wait_log(f"listener takes events again .*listener={id_}")
    assert len(lines(hub.service, f"listener fails.*listener={id_}")) == 1


@pytest.mark.parametrize("failure", [400, 404, 500, 503, (302, {"Location": "/elsewhere"}), CLOSE], ids=str)
def test_what_is_not_taken_is_told_again_in_order(hub, listening, registered, failure):
    is_told_again(hub, listening, registered, failure)


def test_what_is_not_answered_in_time_is_told_again_in_order(scene, listening):
    hub = Hub(scene, {"hub.timeout-ms": 2000})

    is_told_again(hub, listening, hub.register, HANG)

    hub.client.close()


def test_a_listener_that_is_not_there_yet_is_told_once_it_is(hub, listening, registered):
    port = listening()
    port.close()
    registered(port.url)
    usages = hub.many(3)
    hub.service.wait_log(f"listener fails, its events wait .*host=http://127.0.0.1:{port.port} why=.*refused")

    listener = listening(port=port.port)

    listener.wait(3)
    assert sorted(order_of(listener.told)) == sorted(usages)


def test_a_slow_or_dead_listener_holds_up_nobody(hub, listening, registered):
    dead, refusing, good = listening(lambda _: HANG), listening(lambda _: 500), listening()
    for one in (dead, refusing, good):
        registered(one.url)

    usages = hub.many(60)

    assert sorted(order_of(good.wait(60))) == sorted(usages)
    assert not dead.told and not refusing.told


def test_one_that_was_far_behind_is_told_all_of_it_in_order(hub, listening, registered):
    """More than its queues hold, while another is at the front."""
    refusing = [True]
    late, good = listening(lambda _: 503 if refusing[0] else 201), listening()
    registered(late.url)
    registered(good.url)
    count = 1200
    hub.numbered(0, count)
    good.wait(count)
    until("the backlog is seen", lambda: hub.service.metric("usaged_hub_backlog") >= count - 10)

    refusing[0] = False

    late.wait(count, 60)
    for listener in (good, late):
        check_numbers(listener, 0, count, hub.scene.partitions)
    until("nobody is behind", lambda: hub.service.metric("usaged_hub_backlog") == 0)


def test_an_unknown_certificate_is_a_failure(hub, listening, registered, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key", "-out",
                    tmp_path / "cert", "-days", "1", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    listener = listening(tls=context)
    id_ = registered(listener.url)

    hub.made()

    hub.service.wait_log(f"listener fails, .*listener={id_} host=https://127.0.0.1:{listener.port} why=.*certificate")
    assert not listener.tried
