"""schemathesis_hooks - what OpenAPI cannot say of our requests, so that what is drawn as good is good."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import schemathesis

DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[-+]\d\d:\d\d)")
TOKENS = ("#/components/parameters/after", "#/components/parameters/before")


def _exact(value: Any) -> Any:
    """No more places than are kept (x-places): OpenAPI knows floats only."""
    return round(value, 9) if isinstance(value, float) else value


def _rate(rating: Any) -> Any:
    if not isinstance(rating, dict):
        return rating
    made = {name: _exact(value) if name == "taxRate" else value for name, value in rating.items()}
    for name in ("taxExcludedRatingAmount", "taxIncludedRatingAmount", "bucketValueConvertedInAmount"):
        if isinstance(made.get(name), dict) and "value" in made[name]:
            made[name] = {**made[name], "value": _exact(made[name]["value"])}
    return made


def _within_the_window(date: Any) -> Any:
    """A date-time of the last year: the settings usage.oldest and usage.newest are no part of the description."""
    if not isinstance(date, str) or not DATE_TIME.fullmatch(date):
        return date  # it was meant to be wrong
    days = sum(map(ord, date)) % 365
    return (datetime.now(timezone.utc) - timedelta(days=days)).isoformat(timespec="milliseconds")


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    made = dict(body)
    if isinstance(made.get("ratedProductUsage"), list):
        made["ratedProductUsage"] = [_rate(rating) for rating in made["ratedProductUsage"]]
    if "usageDate" in made:
        made["usageDate"] = _within_the_window(made["usageDate"])
    return made


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Without the tokens of pages, which only the service makes."""
    for path in raw_schema["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and "parameters" in operation:
                operation["parameters"] = [one for one in operation["parameters"] if one.get("$ref") not in TOKENS]
