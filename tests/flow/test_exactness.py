"""Exactness: every digit, every character and every millisecond comes out as it went in, or the record is a dead letter
that says why. From the writer's bytes to the row, the JSON that HTTP answers and the event: `settled_and_right`
compares the row and the event, `is_served` the answer."""

import calendar
import json
import random
import re
import struct
import time
from decimal import Decimal

import pytest

from lib import avro
from lib import evolution as ev
from lib import expect
from lib.consume import Decoder
from lib.checker import read_outbound
from lib.evolution import Variant
from lib.publish import framed, register
from lib.records import Json, Records
from lib.schemas import MICROS, PLAIN
from lib.schemas_rated import RATED_PLAIN
from lib.settle import wait_settled

HOUR_MS = 3_600_000
RAW, RATED = PLAIN.schema, ev.without("RatedUsage.usage")(RATED_PLAIN.schema)


@pytest.fixture
def scene_of_all_times(scene):
    """One whose window of dates begins in 1970."""
    service = scene.service(settings={"usage.oldest": "100y"})
    service.migrate()
    scene.main = service.start()
    return scene


def served(scene, entry) -> str:
    """The usage as HTTP answers it, as text."""
    answer = scene.main.get(f"/usage/{entry.usage}")
    assert answer.status_code == 200, answer.text
    return answer.text


def is_served(scene, publisher, entries) -> None:
    """HTTP answers with what these records say."""
    for entry in entries:
        found = expect.parse_json(served(scene, entry))
        found.pop("href")
        wanted = publisher.ledger.history(publisher.ledger.usages[entry.usage])[-1].document
        assert expect.differences(wanted, found) == []


def bad(publisher, record, reason, writer=None, topic="raw", **options):
    """A record that must become a dead letter with this reason."""
    return publisher.bytes(publisher.encoded(record, writer, topic), reason, topic, **options)


def dead_letters(scene) -> dict[tuple[str, str], dict[str, str]]:
    """Their usaged.* headers by the partition and offset of the record."""
    return {(one.header("usaged.partition"), one.header("usaged.offset")): {
        name: one.header(name) for name, _ in one.headers} for one in read_outbound(scene)["dead-letter"]}


def text_of(letters: dict, entry) -> str:
    return letters[str(entry.partition), str(entry.offset)]["usaged.text"]


# ---- numbers -----------------------------------------------------------------------------------------------------

def _amounts(scale: int) -> list[Decimal]:
    """The largest and the smallest that there are, and some in between."""
    def of(whole: str, places: str) -> Decimal:
        return Decimal(f"{whole}.{places:0<{scale}}"[:len(whole) + 1 + scale] if scale else whole)

    least = ("0", "0" * (scale - 1) + "1") if scale else ("1", "")
    usual = ("169299987", "35345112") if scale >= 8 else ("169299987", "")
    made = [("9" * 29, "9" * scale), ("1" + "0" * 28, ""), least, ("0", ""), ("60", "4"), usual]
    return [of(sign + whole, places) for sign in ("", "-") for whole, places in made if sign + whole != "-0" or places]


def _rating(source: Records, record: dict, amount: Decimal, tax_rate) -> dict:
    rating = source.rating_of(record)
    price = rating["ratedProductUsage"][0]
    for name in ("taxExcludedRatingAmount", "taxIncludedRatingAmount", "bucketValueConvertedInAmount"):
        price[name] = {"unit": "CNY", "value": amount}
    price["taxRate"] = tax_rate
    return rating


def test_money_and_taxes_keep_every_digit_at_every_scale(started, publisher, settled_and_right):
    source = Records(50)
    sent = []
    for scale in range(10):
        for amount in _amounts(scale):
            sent.append((scale, amount, source.next()))
    publisher.raws(record for _, _, record in sent)
    publisher.flush()
    wait_settled(started, publisher.ledger)

    entries = [publisher.rated(_rating(source, record, amount, amount), writer=Variant(
        f"scale {scale}", ev.decimals(scale=scale)(RATED)), expect="changed") for scale, amount, record in sent]

    settled_and_right()
    is_served(started, publisher, entries)
    for (_, amount, _), entry in zip(sent, entries):
        text = served(started, entry)
        digits = f"{amount:f}"
        assert len(re.findall(rf'"value": ?{re.escape(digits)}[,}}]', text)) == 3, (digits, text)
        assert re.search(rf'"taxRate": ?{re.escape(digits)}[,}}]', text), (digits, text)
    assert any(amount == Decimal("169299987.35345112") for _, amount, _ in sent)


def test_an_amount_of_30_digits_or_10_places_is_a_dead_letter_that_says_so(started, publisher, settled_and_right):
    source = Records(51)
    too_much = [(0, "1" + "0" * 29), (0, "-1" + "0" * 29), (2, "9" * 30 + ".99"), (10, "0.0000000001"),
                (12, "1.000000000010")]

    entries = []
    for scale, digits in too_much:
        rating = _rating(source, source.next(), Decimal(digits), Decimal("6"))
        del rating["ratedProductUsage"][0]["bucketValueConvertedInAmount"]
        writer = Variant(f"scale {scale}", ev.decimals(scale=scale)(RATED))
        entries.append(bad(publisher, rating, "value", writer, "rated"))

    settled_and_right()
    letters = dead_letters(started)
    for (_, digits), entry in zip(too_much, entries):
        text = text_of(letters, entry)
        assert "taxExcludedRatingAmount.value" in text and "29" in text and "9 after" in text, text
        assert digits in text, text


def test_zeros_behind_the_ninth_place_are_no_digits_of_an_amount(started, publisher, settled_and_right):
    source = Records(52)
    record = source.next()
    publisher.raw(record)
    publisher.flush()
    wait_settled(started, publisher.ledger)

    amount = Decimal("12.340000000000")
    entry = publisher.rated(_rating(source, record, amount, amount), writer=Variant("long zeros", ev.decimals(
        scale=12)(RATED)), expect="changed")

    settled_and_right()
    assert '12.340000000000' in served(started, entry)


def test_decimals_of_characteristics_keep_38_digits(started, publisher, settled_and_right):
    source = Records(53)
    values = {0: "9" * 38, 9: "-" + "9" * 29 + "." + "9" * 9, 18: "1." + "0" * 17 + "1", 38: "0." + "0" * 37 + "7",
              20: "123456789012345678.12345678901234567890"}

    entries = [publisher.raw({**source.next(), "usageCharacteristic": [{"name": "v", "value": Decimal(digits)}]},
                             writer=Variant(f"value {scale}", ev.decimals(scale=scale)(RAW)), expect="created")
               for scale, digits in values.items()]

    settled_and_right()
    is_served(started, publisher, entries)
    for digits, entry in zip(values.values(), entries):
        assert re.search(rf'"value": ?{re.escape(digits)}[,}}]', served(started, entry))


def _hard_doubles() -> list[float]:
    dice = random.Random(54)
    known = [0.1, 0.2, 0.30000000000000004, 1 / 3, 2 / 3, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308,
             2.0**53 + 2, -2.0**63, 1e21, 1e22, 1e23, 9007199254740993.0, 4.35, 1e-5, 1e-7, 123456789.12345679, 5e-7,
             0.0, 100.0, 8.41e21, 9.5367431640625e-07, 299792458.0, 6.02214076e23]
    known += [2.0**power for power in range(-1074, 1024)] + [10.0**power for power in range(-307, 308)]
    while len(known) < 3200:
        value = struct.unpack("<d", dice.randbytes(8))[0]
        if value == value and abs(value) != float("inf"):
            known.append(value)
    return [sign * value for value in known for sign in (1, -1)]


def test_doubles_are_printed_with_the_fewest_digits_that_read_back_the_same(started, publisher, settled_and_right):
    source = Records(54)
    doubles = _hard_doubles()

    entries = [publisher.raw({**source.next(), "usageCharacteristic": [
        {"name": f"d{at}", "value": value} for at, value in enumerate(doubles[first:first + 200])]}, writer=PLAIN)
        for first in range(0, len(doubles), 200)]

    settled_and_right()
    is_served(started, publisher, entries)
    printed = [one["value"] for entry in entries
               for one in json.loads(served(started, entry), parse_float=str, parse_int=str)["usageCharacteristic"]
               if re.fullmatch(r"d\d+", one["name"])]
    assert len(printed) == len(doubles)
    for value, number in zip(doubles, printed):
        assert float(number) == value and struct.pack("<d", float(number)) == struct.pack("<d", value), (value, number)
        assert len(_digits(number)) <= len(_digits(repr(value))), (value, number)


def _digits(number: str) -> str:
    return "".join(map(str, Decimal(number).normalize().as_tuple().digits))


def test_a_double_that_is_not_finite_is_a_dead_letter(started, publisher, settled_and_right):
    source = Records(55)

    entries = [bad(publisher, {**source.next(), "usageCharacteristic": [
        {"name": "ok", "value": 1.5}, {"name": "bad", "value": value}]}, "value", PLAIN)
        for value in (float("nan"), float("inf"), -float("inf"))]

    settled_and_right()
    letters = dead_letters(started)
    for word, entry in zip(("nan", "inf", "-inf"), entries):
        assert f"usageCharacteristic[1].value {word} is not finite" in text_of(letters, entry)


# ---- text --------------------------------------------------------------------------------------------------------

TEXTS = {
    "emoji": "👩‍👩‍👧‍👦🇨🇳😀👍🏽",
    "right to left": "שלום \u202eabc\u202c مرحبا \u200f\u061c",
    "control characters": "".join(map(chr, range(1, 32))) + "\x7f\u0080\u009f",
    "quotes": "\" ' \\ / \\u0041 \\n <&> %00 ${x} $1 E'\\\\' --",
    "combining": "e\u0301 \u00e9 \u1100\u1161\u11a8 \uac01 \u0130i",
    "ends of planes": "\ue000\ufffd\ufffe\uffff\U00010000\U0001ffff\U0010ffff\u2028\u2029\ufeff",
    "blanks": " \t a \u00a0\u3000 ",
    "wide": "\U00020000\U0002a6d6漢字",
}


def _cut(text: str, limit: int) -> str:
    while len(text.encode()) > limit:
        text = text[:-1]
    return text


def _everywhere(record: dict, text: str) -> dict:
    """The text in each place of a record that holds text."""
    return {**record, "source": _cut(text, 128), "recordId": record["recordId"] + _cut(text, 200),
            "usageType": _cut(text, 64), "description": text,
            "usageSpecification": {"id": _cut(text, 256), "name": _cut(text, 256), "href": text},
            "relatedParty": [{"id": _cut(text, 256), "role": "subscriber", "name": _cut(text, 256), "href": text,
                              "referredType": text}, {"id": "b", "role": _cut(text, 256)}],
            "usageCharacteristic": [
                {"name": text, "value": text, "valueType": text, "id": text},
                {"name": "ascii", "value": Json(json.dumps({text: [text]}))},
                {"name": "bytes", "value": Json(json.dumps({text: [text]}, ensure_ascii=False))},
                {"name": "scalar", "value": Json(json.dumps(text))}]}


def test_any_text_survives_in_any_place(started, publisher, settled_and_right):
    source = Records(56)
    texts = {**TEXTS, "long": "长" * 9_000, "all at once": "".join(TEXTS.values())}

    entries = {name: publisher.raw(_everywhere(source.next(), text), writer=PLAIN) for name, text in texts.items()}

    settled_and_right()
    for name, entry in entries.items():
        found = json.loads(served(started, entry))
        text = texts[name]
        assert found["description"] == text, name
        first, ascii_json, bytes_json, scalar = found["usageCharacteristic"][:4]
        assert first == {"name": text, "value": text, "valueType": text, "id": text}, name
        assert ascii_json["value"] == bytes_json["value"] == {text: [text]}, name
        assert scalar["value"] == text and scalar["valueType"] == "string", name
    is_served(started, publisher, list(entries.values()))


def test_any_text_survives_in_a_rating(started, publisher, settled_and_right):
    source = Records(57)
    records = source.take(len(TEXTS))
    publisher.raws(records)
    publisher.flush()
    wait_settled(started, publisher.ledger)

    entries = []
    for record, text in zip(records, TEXTS.values()):
        rating = source.rating_of(record, description=text)
        price = rating["ratedProductUsage"][0]
        price.update(usageRatingTag=text, offerTariffType=text, ratingAmountType=text)
        price["productRef"] = {"id": text, "name": text, "href": text, "referredType": text}
        price["taxExcludedRatingAmount"]["unit"] = text
        entries.append(publisher.rated(rating, writer=RATED_PLAIN, expect="changed"))

    settled_and_right()
    is_served(started, publisher, entries)


BROKEN = {"NUL": b"a\0b", "NUL alone": b"\0", "overlong NUL": b"a\xc0\x80", "overlong slash": b"\xe0\x80\xaf",
          "a surrogate": b"\xed\xa0\x80", "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
          "cut short": b"a\xe6\xbc", "a lone continuation": b"\x80a", "above U+10FFFF": b"\xf4\x90\x80\x80",
          "no such byte": b"\xff\xfe",
          "latin-1": "Müller".encode("latin-1"), "NUL at the end of a long text": b"x" * 70_000 + b"\0"}

_PLACES = {
    "source": lambda r, b: {**r, "source": b}, "recordId": lambda r, b: {**r, "recordId": b},
    "usageType": lambda r, b: {**r, "usageType": b}, "description": lambda r, b: {**r, "description": b},
    "usageSpecification.name": lambda r, b: {**r, "usageSpecification": {"id": "s", "name": b}},
    "relatedParty.id": lambda r, b: {**r, "relatedParty": [{"id": "ok"}, {"id": b}]},
    "usageCharacteristic.name": lambda r, b: {**r, "usageCharacteristic": [{"name": b, "value": 1}]},
    "usageCharacteristic.value": lambda r, b: {**r, "usageCharacteristic": [{"name": "n", "value": b}]},
    "usageCharacteristic.valueType": lambda r, b: {**r, "usageCharacteristic": [
        {"name": "n", "value": 1, "valueType": b}]},
    "usageCharacteristic.value.json": lambda r, b: {**r, "usageCharacteristic": [{"name": "n", "value": {"json": b}}]},
    "skipped": lambda r, b: {**r, "skipped": b},
    "tags": lambda r, b: {**r, "tags": {"k": b}},
}


def test_text_that_is_not_utf_8_or_holds_nul_is_a_dead_letter_wherever_it_stands(started, publisher, settled_and_right):
    source = Records(58)
    schema = {**RAW, "fields": [*RAW["fields"], {"name": "skipped", "type": "string"},
                                {"name": "tags", "type": {"type": "map", "values": "string"}}]}
    number = register(started.rig.registry.url, "text-value", schema)

    entries = [(place, name, publisher.bytes(framed(number, avro.encode(schema, put(source.next(), raw))), "text"))
               for place, put in _PLACES.items() for name, raw in BROKEN.items()]
    publisher.raws(source.take(20))

    settled_and_right()
    letters = dead_letters(started)
    for place, name, entry in entries:
        assert f"{place}: text that is not UTF-8 or holds NUL" in text_of(letters, entry), (place, name)


def test_json_with_nul_or_a_lone_surrogate_is_a_dead_letter(started, publisher, settled_and_right):
    source = Records(59)
    texts = [r'"a\u0000b"', r'{"a\u0000":1}', r'["\ud800"]', r'{"a":"\udc00x"}', r'"\ud83dx"', r'{"\udfff":[]}']

    def with_json(text: str) -> dict:
        return {**source.next(), "usageCharacteristic": [{"name": "ok", "value": Json(r'["\ud83d\ude00"]')},
                                                         {"name": "bad", "value": Json(text)}]}

    entries = [bad(publisher, with_json(text), "text", PLAIN) for text in texts]
    publisher.raw(with_json(r'"\ud83d\ude00"'), writer=PLAIN, expect="created")

    settled_and_right()
    letters = dead_letters(started)
    for text, entry in zip(texts, entries):
        assert "usageCharacteristic[1].value" in text_of(letters, entry), text


# ---- time --------------------------------------------------------------------------------------------------------

def _ms(*when: int) -> int:
    """Of a UTC date and time; the last number is milliseconds."""
    return calendar.timegm((*when[:6], 0, 0, 0)) * 1000 + when[6]


EDGES = [
    (_ms(2026, 1, 31, 23, 59, 59, 999), _ms(2026, 2, 1, 0, 0, 0, 0)),
    (_ms(2025, 12, 31, 23, 59, 59, 999), _ms(2026, 1, 1, 0, 0, 0, 0)),
    (_ms(2024, 2, 29, 23, 59, 59, 999), _ms(2024, 3, 1, 0, 0, 0, 0)),
    (_ms(2026, 2, 28, 23, 59, 59, 999), _ms(2026, 3, 1, 0, 0, 0, 0)),
    (_ms(2016, 12, 31, 23, 59, 59, 999), _ms(2017, 1, 1, 0, 0, 0, 0)),  # a leap second lies between
    (_ms(2001, 9, 9, 1, 46, 39, 999), _ms(2001, 9, 9, 1, 46, 40, 0)),
    (_ms(2000, 2, 29, 23, 59, 59, 999), _ms(2000, 3, 1, 0, 0, 0, 0))]


def test_each_millisecond_is_kept_on_either_side_of_any_edge(scene_of_all_times, publisher, settled_and_right):
    source = Records(60)
    dates = [0, 1, 999, 1000, *(date for pair in EDGES for date in pair)]

    entries = [publisher.raw({**source.next(), "usageDate": date}, writer=writer, expect="created")
               for date in dates for writer in (PLAIN, Variant("micros", ev.dates_as(MICROS)(RAW)))]

    settled_and_right()
    is_served(scene_of_all_times, publisher, entries)
    ids = {date: entry.usage for date, entry in zip([date for date in dates for _ in range(2)], entries)}
    with scene_of_all_times.connect() as db:
        at = dict(db.execute("SELECT id::text, tableoid::regclass::text FROM usage_row").fetchall())
    for before, after in EDGES:
        months = {time.gmtime(before // 1000)[:2], time.gmtime(after // 1000)[:2]}
        assert len({at[ids[before]], at[ids[after]]}) == len(months)


def test_a_date_before_1970_is_a_dead_letter(scene_of_all_times, publisher, settled_and_right):
    source = Records(61)
    micros = Variant("micros", ev.dates_as(MICROS)(RAW))
    dates = [(-1, PLAIN), (-1, micros), (-1000, micros), (-86_400_000, PLAIN), (-2**63, PLAIN), (-2**63 + 1, PLAIN)]

    entries = [bad(publisher, {**source.next(), "usageDate": date}, "date", writer)
               for date, writer in dates]
    publisher.raw({**source.next(), "usageDate": 0}, writer=micros, expect="created")

    settled_and_right()
    letters = dead_letters(scene_of_all_times)
    for (date, _), entry in zip(dates, entries):
        assert "usageDate" in text_of(letters, entry) and "1970-01-01T00:00:00.000Z" in text_of(letters, entry)
        if date > -2**62:
            assert f"({date} ms)" in text_of(letters, entry)


def test_a_rating_date_may_be_any_of_the_years_that_have_a_text(started, publisher, settled_and_right):
    source = Records(62)
    dates = [_ms(1900, 1, 1, 0, 0, 0, 0), -1, 0, _ms(2016, 12, 31, 23, 59, 59, 999), _ms(2017, 1, 1, 0, 0, 0, 0),
             _ms(9999, 12, 31, 23, 59, 59, 999)]
    records = source.take(len(dates) + 1)
    publisher.raws({**record, "usageCharacteristic": [{"name": "end", "value": "2016-12-31T23:59:60Z"}]}
                   for record in records)
    publisher.flush()
    wait_settled(started, publisher.ledger)

    def rating(record: dict, date: int) -> dict:
        made = source.rating_of(record)
        made["ratedProductUsage"][0]["ratingDate"] = date
        return made

    entries = [publisher.rated(rating(record, date), expect="changed") for record, date in zip(records, dates)]
    late = bad(publisher, rating(records[-1], dates[-1] + 1), "value", topic="rated")

    settled_and_right()
    is_served(started, publisher, entries)
    assert "ratedProductUsage[0].ratingDate" in text_of(dead_letters(started), late)


@pytest.fixture
def scene_of_hours(scene):
    """A window from two hours ago to an hour ahead."""
    service = scene.service(settings={"usage.oldest": "2h", "usage.newest": "1h"})
    service.migrate()
    scene.main = service.start()
    return scene


def _window(text: str) -> tuple[int, int]:
    """The two ends that a dead letter names, in milliseconds."""
    found = re.search(r"is not between (\S+)Z and (\S+)Z", text)
    assert found, text
    return tuple(_ms(*time.strptime(end[:19], "%Y-%m-%dT%H:%M:%S")[:6], int(end[20:])) for end in found.groups())


def test_the_window_ends_to_the_millisecond_after_a_kafka_timestamp_that_is_behind_our_clock(
        scene_of_hours, publisher, settled_and_right):
    source = Records(63)
    stamp = int(time.time() * 1000) - 90 * 60_000

    publisher.raw({**source.next(), "usageDate": stamp + HOUR_MS}, timestamp=stamp, expect="created")
    late = bad(publisher, {**source.next(), "usageDate": stamp + HOUR_MS + 1}, "date", timestamp=stamp)

    settled_and_right()
    text = text_of(dead_letters(scene_of_hours), late)
    assert _window(text)[1] == stamp + HOUR_MS and f"({stamp + HOUR_MS + 1} ms)" in text


@pytest.mark.parametrize("ahead_ms", [10 * 60_000, 30 * 86_400_000], ids=["ten minutes", "thirty days"])
def test_a_senders_clock_that_runs_ahead_opens_no_window(scene_of_hours, publisher, settled_and_right, ahead_ms):
    source = Records(64)
    now = int(time.time() * 1000)

    publisher.raw({**source.next(), "usageDate": now + HOUR_MS}, timestamp=now + ahead_ms, expect="created")
    late = bad(publisher, {**source.next(), "usageDate": now + HOUR_MS + 5 * 60_000}, "date", timestamp=now + ahead_ms)

    settled_and_right()
    start, end = _window(text_of(dead_letters(scene_of_hours), late))
    assert now + HOUR_MS <= end <= int(time.time() * 1000) + HOUR_MS
    assert end - start == 3 * HOUR_MS


def test_what_is_older_than_the_window_is_a_dead_letter_that_names_where_it_begins(
        scene_of_hours, publisher, settled_and_right):
    source = Records(65)
    now = int(time.time() * 1000)

    publisher.raw({**source.next(), "usageDate": now - 2 * HOUR_MS + 60_000}, expect="created")
    entry = bad(publisher, {**source.next(), "usageDate": now - 2 * HOUR_MS - 1}, "date")

    settled_and_right()
    start, _ = _window(text_of(dead_letters(scene_of_hours), entry))
    assert now - 2 * HOUR_MS <= start <= int(time.time() * 1000) - 2 * HOUR_MS


def test_a_record_without_a_kafka_timestamp_happened_when_it_was_read(scene_of_hours, publisher, settled_and_right):
    source = Records(67)
    before = int(time.time() * 1000)

    publisher.raw({**source.next(), "usageDate": before + HOUR_MS - 1}, timestamp=-1, expect="created")
    late = bad(publisher, {**source.next(), "usageDate": before + HOUR_MS + 300_000}, "date", timestamp=-1)

    settled_and_right()
    letters = dead_letters(scene_of_hours)
    assert letters[str(late.partition), str(late.offset)]["usaged.timestamp"] == "-1"
    start, end = _window(text_of(letters, late))
    assert end - start == 3 * HOUR_MS
    decoder = Decoder(scene_of_hours.rig.registry.url)
    [event] = [decoder.decode(one.value) for one in read_outbound(scene_of_hours)["create"]]
    assert before <= expect.millis(event["timeOcurred"]) <= expect.millis(event["eventTime"]) <= int(time.time() * 1000)
