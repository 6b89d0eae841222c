"""schemas_rated - writers' schemas of ratings: one as the specification prints it, a rating engine's, a partner's."""

from decimal import Decimal
from typing import Any, Callable

from .records import Record
from .schemas import MILLIS, PLAIN, STATUSES, Writer, raw_fields, decimal, optional

_MONIES = ("taxExcludedRatingAmount", "taxIncludedRatingAmount", "bucketValueConvertedInAmount")


def _rated(rating: Record, money_scale: int, rate: Callable[[Any], Any], without: tuple[str, ...] = ()) -> Record:
    """The rating with amounts at the writer's scale, absent fields left out."""
    carried = {key: value for key, value in rating.items() if value not in (None, [], "") and key not in without}
    carried.setdefault("status", "rated")
    carried["ratedProductUsage"] = [_product_usage(one, money_scale, rate)
                                    for one in rating.get("ratedProductUsage", ())]
    return carried


def _product_usage(one: Record, money_scale: int, rate: Callable[[Any], Any]) -> Record:
    made = dict(one)
    for name in _MONIES:
        if name in made:
            made[name] = {"unit": made[name]["unit"],
                          "value": made[name]["value"].quantize(Decimal(1).scaleb(-money_scale))}
    if "taxRate" in made:
        made["taxRate"] = rate(made["taxRate"])
    return made


def _money(scale: int) -> dict:
    return {"type": "record", "name": "Money", "fields": [{"name": "unit", "type": "string"},
                                                          {"name": "value", "type": decimal(scale)}]}


def _product_usage_fields(scale: int, tax_rate: Any) -> list:
    product = {"type": "record", "name": "ProductRef", "fields": [
        {"name": "id", "type": "string"},
        {"name": "name", "type": optional("string"), "default": None},
        {"name": "href", "type": optional("string"), "default": None},
        {"name": "referredType", "type": optional("string"), "default": None}]}
    types = {"ratingDate": MILLIS, "ratingAmountType": "string", "taxExcludedRatingAmount": _money(scale),
             "taxIncludedRatingAmount": "Money", "bucketValueConvertedInAmount": "Money", "taxRate": tax_rate,
             "isTaxExempt": "boolean", "isBilled": "boolean", "offerTariffType": "string", "usageRatingTag": "string",
             "productRef": product}
    return [{"name": name, "type": optional(kind), "default": None} for name, kind in types.items()]


def _product_usages(scale: int, tax_rate: Any) -> dict:
    return {"type": "array", "items": {"type": "record", "name": "RatedProductUsage",
                                       "fields": _product_usage_fields(scale, tax_rate)}}


def _named_by() -> list:
    return [{"name": "usageId", "type": optional("string"), "default": None},
            {"name": "source", "type": optional("string"), "default": None},
            {"name": "recordId", "type": optional("string"), "default": None},
            {"name": "usageDate", "type": optional(MILLIS), "default": None}]


def _whole_usage(carried: Record) -> Record:
    if "usage" not in carried:
        return carried
    return {**carried, "usage": ("usaged.v1.RawUsage", PLAIN.datum(carried["usage"]))}


def _partner_carries(rating: Record) -> Record:
    carried = _rated(rating, 9, lambda rate: rate.quantize(Decimal("1e-9")))
    if "usage" in carried:
        carried["usage"] = PLAIN.carries(carried["usage"])
    return carried


# As the specification prints it, the whole usage included.
RATED_PLAIN = Writer(
    "rated-plain",
    {"type": "record", "name": "RatedUsage", "namespace": "usaged.v1", "fields": [
        *_named_by(),
        {"name": "status", "type": {"type": "enum", "name": "UsageStatus", "symbols": STATUSES}, "default": "rated"},
        {"name": "description", "type": optional("string"), "default": None},
        {"name": "ratedProductUsage", "type": _product_usages(9, decimal(9)), "default": []},
        {"name": "usage", "default": None, "type": optional({
            "type": "record", "name": "RawUsage", "fields": [
                one if one["name"] != "status" else {**one, "type": "UsageStatus"} for one in raw_fields(9)]})}]},
    _partner_carries, _whole_usage)

# A rating engine: another namespace and order, an extra enum and an extra nested record, an alias, two decimals' money
# of other scales, a tax rate in double, states in another order, no description.
ENGINE = Writer(
    "engine",
    {"type": "record", "name": "RatedUsage", "namespace": "com.example.rating", "fields": [
        {"name": "ratings", "aliases": ["ratedProductUsage"], "type": {"type": "array", "items": {
            "type": "record", "name": "Rating", "aliases": ["RatedProductUsage"], "fields": [
                {"name": "productRef", "type": {"type": "record", "name": "ProductRef", "fields": [
                    {"name": "referredType", "type": ["string", "null"], "default": ""},
                    {"name": "name", "type": ["string", "null"], "default": ""},
                    {"name": "id", "type": "string"}]}},
                {"name": "plan", "type": {"type": "enum", "name": "Plan", "symbols": ["FLAT", "METERED", "PROMO"]}},
                {"name": "taxRate", "type": "double"},
                {"name": "taxIncludedRatingAmount", "type": {"type": "record", "name": "Money", "fields": [
                    {"name": "value", "type": decimal(4, 20)}, {"name": "unit", "type": "string"}]}},
                {"name": "taxExcludedRatingAmount", "type": "Money"},
                {"name": "ratingDate", "type": MILLIS},
                {"name": "usageRatingTag", "type": ["null", "string"], "default": None},
                {"name": "offerTariffType", "type": ["null", "string"], "default": None},
                {"name": "ratingAmountType", "type": ["null", "string"], "default": None}]}}},
        {"name": "run", "type": {"type": "record", "name": "Run", "fields": [
            {"name": "node", "type": "string"}, {"name": "took", "type": "float"}]}},
        {"name": "status", "type": {"type": "enum", "name": "UsageStatus", "symbols": [
            "billed", "rerated", "rated", "guided", "recycled", "rejected", "received"]}},
        {"name": "usageDate", "type": ["null", MILLIS], "default": None},
        {"name": "source", "type": ["null", "string"], "default": None},
        {"name": "recordId", "type": ["null", "string"], "default": None},
        {"name": "usageId", "type": ["null", "string"], "default": None}]},
    lambda rating: _rated(rating, 4, float, without=("description", "usage")),
    lambda carried: {
        "ratings": [{"plan": "METERED", **one, "productRef": {"referredType": None, "name": None, **one["productRef"]}}
                    for one in carried["ratedProductUsage"]],
        "run": {"node": "rate-07", "took": 0.25},
        **{name: carried.get(name) for name in ("status", "usageDate", "source", "recordId", "usageId")}})

# A partner's guiding system that says only which usage was guided: `status` has a default here and little else exists.
GUIDING = Writer(
    "guiding",
    {"type": "record", "name": "RatedUsage", "namespace": "com.example.guiding", "fields": [
        {"name": "status", "type": {"type": "enum", "name": "State", "aliases": ["UsageStatus"], "symbols": [
            "guided", "rejected", "recycled"]}},
        {"name": "reason", "aliases": ["description"], "type": ["null", "string"], "default": None},
        {"name": "usage_id", "aliases": ["usageId"], "type": "string"}]},
    lambda rating: {**{key: value for key, value in rating.items() if key in ("status", "description", "usageId")
                       and value}, "ratedProductUsage": []},
    lambda carried: {"status": carried["status"], "reason": carried.get("description"),
                     "usage_id": carried["usageId"]})
