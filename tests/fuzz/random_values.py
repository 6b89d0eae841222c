"""random_values - what random records say: usages and ratings as dicts, most of which the mapping takes."""

import random
from decimal import Decimal
from typing import Any

from lib.identity import usage_id
from lib.records import Json

NOW_MS = 1795421730250  # differential.c has it too
STATUSES = ("received", "rejected", "recycled", "guided", "rated", "rerated", "billed")
_DAY_MS = 86_400_000
_WORDS = ("a", "VOICE", "exactly8", "计费", "é", "\U0001f4de seven", "a text of more than sixteen bytes", "שלום", "x\ny",
          '"\\')
JSON = ('{"lac":1,"id":[1.50,null]}', "[]", '[ 1e5,"\\u00e9" ]', "0.60", "1e400", '"text"', "true", "-12",
        "1" * 45 + ".25", "{}", "123456789.123456789123", '{"a":\n1}')
_INTEGERS = (0, -1, 2**31, -2**63, 2**63 - 1)
_REALS = (0.1, -2.5e-7, 1e22, 300.0, 5e-324, 1.7e308, -0.0)


class Values:
    """An endless source, the same one for the same dice."""

    def __init__(self, dice: random.Random):
        self._dice = dice

    def word(self) -> str:
        dice = self._dice.random()
        if dice < 0.02:
            return "n" * self._dice.choice((63, 64, 65, 128, 250))
        word = self._dice.choice(_WORDS)
        return word if dice < 0.6 else f"{word}{self._dice.randrange(10**6)}"

    def date(self) -> int:
        return NOW_MS - self._dice.randrange(300 * _DAY_MS)

    def decimal(self, scale: int, digits: int) -> Decimal:
        dice = self._dice
        limit = 10**dice.randrange(1, digits)
        return Decimal(dice.randrange(1 - limit, limit)).scaleb(-scale)

    def scalar(self) -> Any:
        """A characteristic's value."""
        dice = self._dice
        kind = dice.randrange(6)
        if kind == 0:
            return self.word()
        if kind == 1:
            return dice.choice((*_INTEGERS, dice.randrange(10**6)))
        if kind == 2:
            return dice.choice((*_REALS, dice.random()))
        if kind == 3:
            return dice.random() < 0.5
        return self.decimal(9, 20) if kind == 4 else Json(dice.choice(JSON))

    def _maybe(self, value: Any, share: float = 0.5) -> Any:
        return value if self._dice.random() < share else None

    def raw(self) -> dict:
        dice = self._dice
        return {
            "source": self.word()[:32], "recordId": self.word(), "usageDate": self.date(),
            "usageType": self.word()[:16],
            "status": dice.choice(STATUSES[:4]), "description": self._maybe(self.word()),
            "usageSpecification": self._maybe({"id": self.word(), "name": self._maybe(self.word()),
                                               "href": self._maybe("http://x")}),
            "relatedParty": [self._party() for _ in range(dice.choice((0, 1, 1, 1, 2, 5)))],
            "usageCharacteristic": [{"name": self.word(), "value": self.scalar(),
                                     "valueType": self._maybe("string", 0.1), "id": self._maybe(self.word(), 0.1)}
                                    for _ in range(dice.choice((0, 1, 2, 4, 12)))]}

    def _party(self) -> dict:
        dice = self._dice
        return {"id": self.word(), "role": dice.choice(("subscriber", "payer", None)), "href": None,
                "name": self._maybe(self.word()), "referredType": dice.choice(("Customer", "Organization"))}

    def rated(self) -> dict:
        """Named by its usage's key, or id, or by the usage inside."""
        dice = self._dice
        named: dict = {"source": None, "recordId": None, "usageDate": None, "usageId": None, "usage": None}
        road = dice.randrange(3)
        if road == 0:
            named.update(source=self.word()[:32], recordId=self.word(), usageDate=self.date())
        elif road == 1:
            named["usageId"] = usage_id(self.word(), "1", self.date())
        else:
            named["usage"] = self.raw()
        return {**named, "status": dice.choice(STATUSES[1:]), "description": self._maybe(self.word(), 0.3),
                "ratedProductUsage": [self._rating() for _ in range(dice.choice((0, 1, 1, 2)))]}

    def _rating(self) -> dict:
        dice = self._dice
        return {"ratingDate": self.date() + 1000, "ratingAmountType": self._maybe("Total"),
                "taxExcludedRatingAmount": self._money(), "taxIncludedRatingAmount": self._money(),
                "bucketValueConvertedInAmount": self._maybe(self._money(), 0.2),
                "taxRate": dice.choice((6, Decimal("6.00"), round(dice.random() * 100, dice.randrange(5)))),
                "isTaxExempt": self._maybe(False), "isBilled": self._maybe(True),
                "offerTariffType": self._maybe("Normal"), "usageRatingTag": self._maybe("included usage"),
                "productRef": {"id": self.word(), "name": self._maybe(self.word()), "href": None,
                               "referredType": self._maybe("Product")}}

    def _money(self) -> dict:
        return {"unit": "CNY", "value": self.decimal(self._dice.randrange(10), 18)}
