"""query_content - usages and specifications with something in every attribute, put into the tables as the service writes them,
and random questions about them.

Texts are drawn from few, so that filters find something; some hold what queries, JSON and regular expressions must escape.
"""

import json
import random
import re
from typing import Any, Optional

import psycopg

from .identity import usage_id
from .query_oracle import Attribute, Condition, Group, Raw, _values, attributes
from .records import instant

START = 1_793_000_000_000  # 2026-10-26
SPAN = 30 * 86_400_000
TEXTS = ("a", "b", "Call", "call centre", "国内主叫", "a,b", "c;d", "e&f=g", "50%", "x'y\"z\\", "~t", "=u", "+8613800000001", "A b")
STATUSES = ("received", "rejected", "recycled", "guided", "rated", "rerated", "billed")
NUMBERS = tuple(Raw(text) for text in ("0", "-1", "6", "6.00", "187", "187.0", "1.87e2", "0.60", "1e5", "99999999999999999999",
                                       "0.000000001", "-0", "1e400000", "9" * 400, "1e-400000"))
ANY = (*TEXTS, *NUMBERS, "187", "true", "6", True, False, None, Raw("187"), {"a": 187}, [187, "a"], "1e5")
REGEXES = ("^a", "b$", "[0-9]+", "^.$", "a|b", "c.ll", "主", "\\+86", "^1", "e", "^(Call|a)$", "T1", "u{1}")


def dumps(value: Any) -> str:
    """JSON, with Raw numbers as they are."""
    def marked(one: Any) -> Any:
        if isinstance(one, Raw):
            return f"@@{one}@@"
        if isinstance(one, dict):
            return {name: marked(inner) for name, inner in one.items()}
        return [marked(inner) for inner in one] if isinstance(one, list) else one

    return re.sub(r'"@@([-+.0-9eE]+)@@"', r"\1", json.dumps(marked(value), ensure_ascii=False, separators=(",", ":")))


class Content:
    """Makes random objects of the swagger's types."""

    def __init__(self, seed: int):
        self.dice = random.Random(seed)
        self._number = 0
        self._date = START

    def some(self, make, most: int = 3) -> list:
        return [make() for _ in range(self.dice.randrange(1, most + 1))]

    def parts(self, chance: float = 0.5, **makers: Any) -> dict:
        """Some of these attributes."""
        return {name.replace("at_", "@"): make() for name, make in makers.items() if self.dice.random() < chance}

    def text(self) -> str:
        return self.dice.choice(TEXTS)

    def truth(self) -> bool:
        return self.dice.random() < 0.5

    def number(self) -> Raw:
        return self.dice.choice(NUMBERS[:12])

    def date(self) -> str:
        return instant(START + self.dice.randrange(40) * 3_600_000 * 18)

    def written_date(self) -> str:
        """The same moments as a specification's author may write them."""
        zulu = self.date()
        return self.dice.choice((zulu, zulu.replace(".000Z", "Z"), zulu.replace("Z", "+00:00"), zulu.replace(".000Z", ".0001z"),
                                 zulu.replace("T", "t"), zulu.replace(".000Z", "-01:30")))

    def family(self) -> dict:
        return self.parts(0.2, at_type=self.text, at_baseType=self.text, at_schemaLocation=self.text)

    def reference(self) -> dict:
        return {"id": self.text(), **self.parts(0.4, href=self.text, name=self.text, at_referredType=self.text), **self.family()}

    def party(self) -> dict:
        return {**self.reference(), **self.parts(role=self.text)}

    # ---- usages

    def characteristic(self) -> dict:
        made = {"name": self.text(), "value": self.dice.choice(ANY), **self.parts(0.4, id=self.text, valueType=self.text)}
        if self.dice.random() < 0.3:
            made["characteristicRelationship"] = self.some(lambda: {
                **self.parts(id=self.text, href=self.text, relationshipType=self.text), **self.family()})
        return {**made, **self.family()}

    def money(self) -> dict:
        return {"unit": self.text(), "value": self.number(), **self.family()}

    def rating(self) -> dict:
        return {"ratingDate": self.date(), **self.parts(
            ratingAmountType=self.text, taxExcludedRatingAmount=self.money, taxIncludedRatingAmount=self.money,
            taxRate=self.number, isTaxExempt=self.truth, isBilled=self.truth, offerTariffType=self.text,
            usageRatingTag=self.text, bucketValueConvertedInAmount=self.money, productRef=self.reference), **self.family()}

    def usage(self) -> dict:
        """In the order of a stored document."""
        self._number += 1
        if self.dice.random() < 0.8:  # else that of the one before
            self._date = START + self.dice.randrange(SPAN) // 1000 * self.dice.choice((1, 1000))
        date = self._date
        made = {"id": usage_id("query", str(self._number), date), "usageDate": instant(date),
                "status": self.dice.choice(STATUSES), "usageSpecification": self.reference()}
        makers = {"description": self.text, "usageType": self.text, "usageCharacteristic": lambda: self.some(self.characteristic, 5),
                  "relatedParty": lambda: self.some(self.party), "ratedProductUsage": lambda: self.some(self.rating)}
        return {**made, **self.parts(0.75, **makers), **self.family()}

    # ---- specifications

    def period(self) -> dict:
        return {**self.parts(0.7, startDateTime=self.written_date, endDateTime=self.written_date, id=self.text), **self.family()}

    def specified_value(self) -> dict:
        return {**self.parts(isDefault=self.truth, value=lambda: self.dice.choice(ANY), valueFrom=self.number,
                             valueTo=self.number, regex=self.text, unitOfMeasure=self.text, validFor=self.period),
                **self.family()}

    def specified(self) -> dict:
        return {**self.parts(
            name=self.text, description=self.text, valueType=self.text, configurable=self.truth, isUnique=self.truth,
            minCardinality=self.number, maxCardinality=self.number, regex=self.text, validFor=self.period,
            charSpecRelationship=lambda: self.some(lambda: {**self.reference(), **self.parts(validFor=self.period)}),
            characteristicValueSpecification=lambda: self.some(self.specified_value),
            at_valueSchemaLocation=self.text), **self.family()}

    def specification(self) -> dict:
        self._number += 1
        made = {"id": f"spec-{self._number:04d}", "name": self.text(),
                "lastUpdate": instant(START + self.dice.randrange(10) * 1000)}
        return {**made, **self.parts(
            description=self.text, version=self.text, lifecycleStatus=self.text, isBundle=self.truth, validFor=self.period,
            specCharacteristic=lambda: self.some(self.specified), relatedParty=lambda: self.some(self.party),
            attachment=lambda: self.some(lambda: {**self.reference(), **self.parts(
                url=self.text, size=lambda: {"amount": self.number(), "units": self.text()}, validFor=self.period)}),
            constraint=lambda: self.some(lambda: {**self.reference(), **self.parts(version=self.text)}),
            entitySpecRelationship=lambda: self.some(lambda: {"relationshipType": self.text(), **self.parts(
                id=self.text, associationSpec=self.reference, validFor=self.period)}),
            targetEntitySchema=lambda: {"@type": self.text(), "@schemaLocation": self.text()}), **self.family()}


# ---- storing ----------------------------------------------------------------------------------------------------------

def _subscriber(parties: list) -> tuple[Optional[str], Optional[list]]:
    """Columns party_id and other_party_ids."""
    if not parties:
        return None, None
    first = next((party for party in parties if party.get("role") == "subscriber"), parties[0])
    return first["id"], [party["id"] for party in parties if party is not first] or None


def store_usages(db: psycopg.Connection, usages: list[dict]) -> None:
    for month in ("2026-09", "2026-10", "2026-11"):
        db.execute("SELECT ensure_partition(%s::timestamptz, 'month')", (f"{month}-02T00:00:00Z",))
    columns = {"id", "status", "description", "ratedProductUsage"}
    for number, usage in enumerate(usages):
        party, others = _subscriber(usage.get("relatedParty", []))
        document = {name: value for name, value in usage.items() if name not in columns}
        db.execute(
            "INSERT INTO usage_row (id, usage_date, usage_type, status, description, specification_id, party_id, "
            "other_party_ids, rated_product_usage, revision, created_at, updated_at, content, document) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 1, now(), now(), %s, %s)",
            (usage["id"], usage["usageDate"], usage.get("usageType"), usage["status"], usage.get("description"),
             usage["usageSpecification"]["id"], party, others,
             dumps(usage["ratedProductUsage"]) if "ratedProductUsage" in usage else None, number, dumps(document)))


def store_specifications(db: psycopg.Connection, specifications: list[dict]) -> None:
    for one in specifications:
        document = {name: value for name, value in one.items() if name not in ("id", "lastUpdate")}
        db.execute("INSERT INTO usage_specification (id, name, revision, created_at, updated_at, document) "
                   "VALUES (%s, %s, 1, now(), %s::timestamptz + interval '789 microseconds', %s)",
                   (one["id"], one["name"], one["lastUpdate"], dumps(document)))


# ---- questions --------------------------------------------------------------------------------------------------------

class Questions:
    """Random queries whose values are mostly ones that are there."""

    def __init__(self, seed: int, kind: str, documents: list[dict]):
        self.dice = random.Random(seed)
        self.documents = documents
        self.attributes = attributes(kind)
        self.sortable = [one.name for one in self.attributes
                         if "." not in one.name or one.name.startswith("usageSpecification.")]

    def groups(self) -> list[Group]:
        return [[self.condition(attribute) for attribute in self._related()]
                for _ in range(self.dice.choice((1, 1, 1, 2, 3)))]

    def _related(self) -> list[Attribute]:
        """Attributes, often of one array."""
        first = self.dice.choice(self.attributes)
        root = first.name.partition(".")[0]
        near = [one for one in self.attributes if one.name.partition(".")[0] == root]
        return [first] + [self.dice.choice(near if self.dice.random() < 0.7 else self.attributes)
                          for _ in range(self.dice.choice((0, 0, 1, 1, 2, 4)))]

    def condition(self, attribute: Attribute, op: Optional[str] = None) -> Condition:
        op = op or self.dice.choice(("eq", "eq", "eq", "eq", "ne", "gt", "gte", "lt", "lte", "regex"))
        count = self.dice.choice((1, 1, 1, 2, 3))
        return Condition(attribute.name, op, tuple(self._value(attribute, op) for _ in range(count)))

    def _value(self, attribute: Attribute, op: str) -> str:
        if op == "regex":
            return self.dice.choice(REGEXES)
        found = self._found(attribute)
        if attribute.kind == "truth":
            return self.dice.choice(("true", "false"))
        if attribute.kind == "status":
            return self.dice.choice(STATUSES)
        if attribute.kind == "date":
            return self._date(found)
        if attribute.kind == "number" or (attribute.kind == "any" and op not in ("eq", "ne")):
            return str(self.dice.choice(NUMBERS[:12]))
        if isinstance(found, bool):
            return str(found).lower()
        return str(found) if isinstance(found, str) and self.dice.random() < 0.85 else self.dice.choice(TEXTS)

    def _found(self, attribute: Attribute) -> Any:
        """A value of that attribute in one of a few documents."""
        for document in self.dice.choices(self.documents, k=10):
            values = list(_values(document, attribute.name.split(".")))
            values = [value for value in values if value is not None and not isinstance(value, (dict, list))]
            if values:
                return self.dice.choice(values)
        return None

    def _date(self, found: Any) -> str:
        zulu = found or instant(START + self.dice.randrange(SPAN))
        if not re.fullmatch(r".{19}\.\d{3}Z", zulu):
            return zulu
        return self.dice.choice((zulu, zulu.replace("Z", "+00:00"), zulu.replace("Z", "5Z"), zulu.replace("Z", "000Z")))

    def keys(self) -> list[tuple[str, bool]]:
        """An order by up to three attributes; often none."""
        names = self.dice.sample(self.sortable, self.dice.choice((0, 0, 1, 1, 2, 3)))
        return [(name, self.dice.random() < 0.5) for name in names]
