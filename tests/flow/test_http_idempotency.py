"""How long the answer to an Idempotency-Key is kept: http.idempotency.keep."""

import pytest
from lib.writing import DATE, Writing
from rig.wait import until

BODY = {"usageSpecification": {"id": "x"}}


@pytest.fixture
def keeping(scene):
    return lambda keep: Writing(scene, {"http.idempotency.keep": keep})


def test_a_key_that_is_older_than_the_setting_is_forgotten_and_a_younger_one_is_not(scene, keeping):
    writing = keeping("24h")
    old, young = (writing.post(BODY, Idempotency_Key=key).json()["id"] for key in ("old", "young"))
    with scene.connect() as db:
        for usage, age in ((old, "24 hours 1 minute"), (young, "23 hours 50 minutes")):
            changed = db.execute("UPDATE idempotency SET created_at = created_at - %s::interval WHERE location LIKE %s",
                                 (age, f"%{usage}")).rowcount
            assert changed == 1

    writing.service.restart()  # who takes the work over looks at once
    writing.client.close()

    with scene.connect() as db:
        until("the old one is gone", lambda: db.execute("SELECT count(*) FROM idempotency").fetchone()[0] == 1)
    assert writing.post(BODY, Idempotency_Key="young").json()["id"] == young
    assert writing.post(BODY, Idempotency_Key="old").json()["id"] != old


def test_a_short_time_is_kept_to_while_the_service_runs(keeping):
    writing = keeping("1s")

    first = writing.post(BODY, Idempotency_Key="k").json()["id"]

    until("the key makes another", lambda: writing.post(BODY, Idempotency_Key="k").json()["id"] != first, 15)


def test_a_retry_has_the_first_answer_although_its_date_has_left_the_window(scene, keeping):
    writing = keeping("24h")
    body = {**BODY, "usageDate": DATE}
    first = writing.post(body, Idempotency_Key="k")
    writing.service.stop()
    writing.client.close()
    writing.service.settings["usage.oldest"] = "1m"
    writing.service.start()

    again = writing.post(body, Idempotency_Key="k")

    assert (again.status, again.text, again.header("Location"), again.header("ETag")) == \
        (201, first.text, first.header("Location"), '"1"')
    for key in ("another", None):
        assert "usageDate" in writing.post(body, **({"Idempotency_Key": key} if key else {})).is_error(400)
    assert "usageDate" in writing.post({**body, "description": "x"}, Idempotency_Key="k").is_error(400)
    writing.events(first.json()["id"], 1)
