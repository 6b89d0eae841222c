"""records - call records and ratings as mediation and rating engines make them, the same ones for the same seed.

A record is a plain dict with the fields of RawUsage or RatedUsage. A characteristic's `value` has the Python type of
its Avro branch: str, int, float, bool, Decimal, or Json for a JSON text. Dates are milliseconds since 1970.
"""

import random
import time
from decimal import Decimal
from typing import Any, Iterator, Optional

from .identity import usage_id

Record = dict[str, Any]

DAY_MS = 86_400_000


class Json(str):
    """A JSON text: what travels in the Avro record `Json`."""


class Records:
    """An endless source of raw usage. `now_ms` is the end of the `days` from which dates are drawn."""

    def __init__(self, seed: int = 1, source: str = "med-gz-02", days: float = 10, subscribers: int = 2000,
                 now_ms: Optional[int] = None):
        self._random = random.Random(seed)
        self._source = source
        self._span_ms = int(days * DAY_MS)
        self._now_ms = now_ms if now_ms is not None else int(time.time() * 1000) - 60_000
        self._subscribers = subscribers
        self._seed = seed
        self._count = 0

    def __iter__(self) -> Iterator[Record]:
        while True:
            yield self.next()

    def take(self, count: int) -> list[Record]:
        return [self.next() for _ in range(count)]

    def next(self, kind: Optional[str] = None) -> Record:
        """One more record: `voice`, `sms` or `data`, in a usual mixture unless a kind is asked for."""
        dice = self._random
        kind = kind or dice.choices(("voice", "sms", "data"), (5, 2, 3))[0]
        self._count += 1
        subscriber = dice.randrange(self._subscribers)
        date = self._now_ms - dice.randrange(self._span_ms)
        if dice.random() < 0.2:
            date -= date % 1000  # some switches know whole seconds only
        record: Record = {
            "source": self._source,
            "recordId": f"{self._seed:04d}-{self._count:08d}-{dice.randrange(100_000):05d}",
            "usageDate": date,
            "usageType": kind.upper(),
            "usageSpecification": {"id": f"{kind}-cdr-1"},
            "relatedParty": [{"id": f"cust-{subscriber:06d}", "role": "subscriber"}],
            "usageCharacteristic": getattr(self, f"_{kind}")(f"138{subscriber:08d}", date),
        }
        if kind == "voice" and dice.random() < 0.3:
            record["description"] = dice.choice(("Outgoing national voice call", "国内主叫", "Call to a freephone number"))
        if dice.random() < 0.05:
            record["relatedParty"].append({"id": f"org-{subscriber % 40:03d}", "role": "payer", "name": "示例贸易有限公司",
                                           "referredType": "Organization"})
        return record

    def _voice(self, caller: str, date: int) -> list[Record]:
        dice = self._random
        seconds = int(dice.expovariate(1 / 120)) + 1
        return [
            _is("caller", caller),
            _is("called", f"10{dice.randrange(10**8):08d}"),
            _is("seconds", seconds),
            _is("end", instant(date + seconds * 1000), "date-time"),
            _is("roaming", dice.random() < 0.1),
            _is("cell", self._cell()),
            _is("mos", dice.randrange(20, 45) / 10),
            _is("cost", Decimal(dice.randrange(100_000)).scaleb(-4)),
            _is("cause", dice.choice((16, 16, 16, 17, 31))),
            _is("tac", dice.randrange(10**7, 10**8)),
            _is("codec", dice.choice(("AMR", "EVS"))),
            _is("net", dice.choice(("广州", "深圳", "佛山"))),
        ]

    def _sms(self, caller: str, date: int) -> list[Record]:
        dice = self._random
        return [
            _is("caller", caller),
            _is("called", f"139{dice.randrange(10**8):08d}"),
            _is("parts", dice.choice((1, 1, 1, 2, 3))),
            _is("sent", instant(date + dice.randrange(4000)), "date-time"),
            _is("roaming", dice.random() < 0.1),
            _is("cell", self._cell()),
            _is("delay", dice.randrange(1, 400) / 100),
            _is("cost", Decimal(dice.randrange(10_000)).scaleb(-4)),
            _is("smsc", f"+86138001{dice.randrange(100_000):05d}"),
            _is("tac", dice.randrange(10**7, 10**8)),
            _is("class", dice.randrange(4)),
            _is("net", dice.choice(("广州", "深圳", "佛山"))),
        ]

    def _data(self, caller: str, date: int) -> list[Record]:
        dice = self._random
        up, down = int(dice.expovariate(1e-5)), int(dice.expovariate(1e-6))
        return [
            _is("msisdn", caller),
            _is("apn", dice.choice(("ctnet", "ctwap", "ims"))),
            _is("up", up),
            _is("down", down),
            _is("flows", Json(f'[{{"app":"视频","down":{down // 2}}}]')),
            _is("end", instant(date + dice.randrange(600_000)), "date-time"),
            _is("roaming", dice.random() < 0.1),
            _is("cell", self._cell()),
            _is("rsrp", -dice.randrange(600, 1200) / 10),
            _is("cost", Decimal(dice.randrange(1_000_000)).scaleb(-4)),
            _is("rat", dice.choice(("NR", "EUTRA"))),
            _is("slice", dice.randrange(1, 5)),
        ]

    def _cell(self) -> Json:
        dice = self._random
        return Json(f'{{"lac":{dice.randrange(65536)},"id":{dice.randrange(10**6)}}}')

    def rating_of(self, record: Record, **changes: Any) -> Record:
        """A rating of that record, named by its source, recordId and usageDate; `changes` replace fields."""
        return {"source": record["source"], "recordId": record["recordId"], "usageDate": record["usageDate"],
                **self._rating(record["usageDate"]), **changes}

    def rating_by_id(self, record: Record, **changes: Any) -> Record:
        """A rating of that record, named by the usage's id."""
        return {"usageId": id_of(record), **self._rating(record["usageDate"]), **changes}

    def rating_with(self, record: Record, **changes: Any) -> Record:
        """A rating with the whole usage inside, as a partner sends it."""
        return {**self._rating(record["usageDate"]), "usage": record, **changes}

    def _rating(self, usage_date: int) -> Record:
        dice = self._random
        net = Decimal(dice.randrange(1, 100_000)).scaleb(-2)
        rated: Record = {
            "ratingDate": usage_date + dice.randrange(1000, 600_000),
            "taxExcludedRatingAmount": {"unit": "CNY", "value": net},
            "taxIncludedRatingAmount": {"unit": "CNY", "value": (net * Decimal("1.06")).quantize(Decimal("0.0001"))},
            "taxRate": Decimal("6.00"),
            "productRef": {"id": f"prod-{dice.randrange(1000):04d}", "name": "5G 畅享套餐 129", "referredType": "Product"},
        }
        if dice.random() < 0.5:
            rated["usageRatingTag"] = dice.choice(("usage", "included usage", "non included usage"))
        if dice.random() < 0.2:
            rated["offerTariffType"] = "Holiday"
            rated["ratingAmountType"] = "Total"
        return {"status": "rated", "ratedProductUsage": [rated]}


def _is(name: str, value: Any, value_type: Optional[str] = None) -> Record:
    return {"name": name, "value": value, **({"valueType": value_type} if value_type else {})}


def id_of(record: Record) -> str:
    """The id of the usage that a raw record is, or that a rating names."""
    if record.get("usageId"):
        return record["usageId"]
    named = record.get("usage") or record
    return usage_id(named["source"], named["recordId"], named["usageDate"])


def instant(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"
