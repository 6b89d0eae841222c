"""expect - the TMF635 document that a record must become, and comparing it with one that was found.

Found JSON is parsed with Decimal, so that every digit counts: an amount of 0.60 is not 0.6.
"""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Optional

from .records import Json, Record, instant

RATED_STATES = ("rated", "rerated", "billed")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_REFERENCE = {"referredType": "@referredType"}
_MONIES = ("taxExcludedRatingAmount", "taxIncludedRatingAmount", "bucketValueConvertedInAmount")
_RATING_DEFAULTS = {"usageRatingTag": "usage", "isBilled": False, "ratingAmountType": "Total", "isTaxExempt": False,
                    "offerTariffType": "Normal"}


def parse_json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def document(record: Record, usage: str, default_specification: str = "default") -> dict:
    """What a raw record becomes, without `href`: the usage's TMF635 JSON right after its creation."""
    made: dict = {"id": usage, "@type": "Usage", "usageDate": instant(record["usageDate"]),
                  "usageType": record["usageType"], "status": record.get("status", "received"),
                  "usageSpecification": _named(record.get("usageSpecification") or {"id": default_specification})}
    if record.get("description"):
        made["description"] = record["description"]
    if record.get("relatedParty"):
        made["relatedParty"] = [_named(party) for party in record["relatedParty"]]
    made["usageCharacteristic"] = _characteristics(record)
    return made


def _characteristics(record: Record) -> list:
    made = [_characteristic(one) for one in record.get("usageCharacteristic", ())]
    names = {one["name"] for one in made}
    for name, value in (("sourceSystem", record["source"]), ("sourceRecordId", record["recordId"])):
        if name not in names:
            made.append({"name": name, "value": value, "valueType": "string"})
    return made


def _characteristic(one: Record) -> dict:
    value = parse_json(one["value"]) if isinstance(one["value"], Json) else one["value"]
    made = {"name": one["name"], "value": value, "valueType": one.get("valueType") or _type_of(value)}
    if one.get("id"):
        made["id"] = one["id"]
    return made


def _type_of(value: Any) -> str:
    for kind, name in ((bool, "boolean"), (str, "string"), (int, "integer"), (dict, "object"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "number"


def _named(record: Record) -> dict:
    return {_REFERENCE.get(key, key): value for key, value in record.items() if value not in (None, "")}


def rated(before: dict, rating: Record) -> dict:
    """The document after a rating was applied to it."""
    after = {**before, "status": rating["status"]}
    if rating.get("description"):
        after["description"] = rating["description"]
    ratings = [_rating(one, rating["status"]) for one in rating.get("ratedProductUsage", ())]
    if not ratings and rating["status"] == "billed":
        ratings = [{**one, "isBilled": True} for one in before.get("ratedProductUsage", ())]
    if ratings:
        after["ratedProductUsage"] = ratings
    return after


def _rating(one: Record, status: str) -> dict:
    made = {key: value for key, value in one.items() if value is not None}
    if "ratingDate" in made:
        made["ratingDate"] = instant(made["ratingDate"])
    for name in _MONIES:
        if name in made:
            made[name] = dict(made[name])
    if "productRef" in made:
        made["productRef"] = _named(made["productRef"])
    return {**(_RATING_DEFAULTS if status in RATED_STATES else {}), **made}


def party_of(doc: dict) -> Optional[str]:
    """The subscriber, else the first party, else nobody."""
    parties = doc.get("relatedParty", ())
    for party in parties:
        if party.get("role") == "subscriber":
            return party["id"]
    return parties[0]["id"] if parties else None


def key_of(doc: dict) -> bytes:
    """The key of the usage's events, with `event.key` as it is by default."""
    return (party_of(doc) or doc["id"]).encode()


def from_event(usage: dict) -> dict:
    """An event's Avro usage in the form of the JSON document; `href` and `revision` are the caller's to look at."""
    made = _without_nulls(usage)
    for name in ("href", "revision"):
        made.pop(name, None)
    made["id"] = str(made["id"])
    made["usageDate"] = instant(millis(made["usageDate"]))
    for ours, theirs in (("type", "@type"), ("baseType", "@baseType"), ("schemaLocation", "@schemaLocation")):
        if ours in made:
            made[theirs] = made.pop(ours)
    made.update(json.loads(made.pop("extensions", "{}")))
    made["usageSpecification"] = _named(made["usageSpecification"])
    made["relatedParty"] = [_named(party) for party in made.get("relatedParty", ())]
    for one in made.get("usageCharacteristic", ()):
        if isinstance(one["value"], dict):
            one["value"] = Json(one["value"]["json"])
    for one in made.get("ratedProductUsage", ()):
        if "ratingDate" in one:
            one["ratingDate"] = instant(millis(one["ratingDate"]))
        if "productRef" in one:
            one["productRef"] = _named(one["productRef"])
    return {key: value for key, value in made.items() if value != []}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None and one != []}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    return value


def millis(when: Any) -> int:
    """Of a decoded timestamp: whole milliseconds since 1970."""
    return when if isinstance(when, int) else (when - _EPOCH) // timedelta(milliseconds=1)


def differences(expected: Any, found: Any, path: str = "", event: bool = False) -> list[str]:
    """What differs, a line each. In an event numbers count by value, and those of characteristics by Avro type too."""
    if isinstance(expected, dict) and isinstance(found, dict):
        lines = [f"{path}/{key}: not there, expected {expected[key]!r}" for key in expected if key not in found]
        lines += [f"{path}/{key}: unexpected {found[key]!r}" for key in found if key not in expected]
        for key in expected:
            if key in found and not _same_text(expected[key], found[key]):
                at = f"{path}/{key}"
                if event and key == "value" and "valueType" in expected:
                    lines += _event_value(expected[key], found[key], at)
                else:
                    lines += differences(expected[key], found[key], at, event)
        return lines
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return [f"{path}: {len(found)} elements, expected {len(expected)}"]
        return [line for at, pair in enumerate(zip(expected, found))
                for line in differences(*pair, f"{path}/{at}", event)]
    return [] if _same(expected, found, event) else [f"{path}: {found!r}, expected {expected!r}"]


def _same_text(expected: Any, found: Any) -> bool:
    """Most of what is compared is text, and most of it agrees: a short way for that."""
    return type(expected) is str and type(found) is str and expected == found


def _same(expected: Any, found: Any, event: bool) -> bool:
    if not _is_number(expected) or not _is_number(found):
        return type(expected) is type(found) and expected == found
    if isinstance(expected, float) or isinstance(found, float):
        return float(expected) == float(found)
    if isinstance(expected, Decimal) and not event:
        return Decimal(found).as_tuple() == expected.as_tuple()
    return expected == found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _event_value(expected: Any, found: Any, path: str) -> list[str]:
    """A number goes out as long if it is whole and fits, as double if nothing is lost, else as Json."""
    if _is_number(expected):
        digits = Decimal(repr(expected)) if isinstance(expected, float) else Decimal(expected)
        if digits == digits.to_integral_value() and -2**63 <= digits < 2**63:
            wanted: Any = int(digits)
        elif Decimal(repr(float(digits))) == digits:
            wanted = float(digits)
        else:
            good = isinstance(found, Json) and Decimal(found) == digits
            return [] if good else [f"{path}: {found!r}, expected these digits as Json: {digits}"]
        good = type(found) is type(wanted) and found == wanted
        return [] if good else [f"{path}: {found!r}, expected {type(wanted).__name__} {wanted!r}"]
    if isinstance(expected, (dict, list)) or expected is None:
        if not isinstance(found, Json):
            return [f"{path}: {found!r}, expected Json"]
        return differences(expected, parse_json(found), path)
    return [] if type(found) is type(expected) and found == expected else [f"{path}: {found!r}, expected {expected!r}"]
