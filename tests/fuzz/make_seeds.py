"""make_seeds - writes tests/fuzz/seeds anew: a handful of real records, schemas, answers and settings a target.

    tests/install.sh python tests/fuzz/make_seeds.py

The seeds are kept in the tree; this says where they come from, and makes new ones after a change of the schemas.
"""

import io
import json
import re
import struct
import sys
from decimal import Decimal
from pathlib import Path

import fastavro

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.documents import SCHEMA  # noqa: E402
from lib.publish import framed  # noqa: E402
from lib.records import Json, Records, id_of  # noqa: E402
from lib.schemas import MEDIATION, PLAIN, ROAMING, Writer  # noqa: E402
from lib.schemas_rated import ENGINE, RATED_PLAIN  # noqa: E402

SEEDS = Path(__file__).resolve().parent / "seeds"
ROOT = SEEDS.parent.parent.parent
NOW_MS = 1795421730250  # the targets' own clock
RATED, OWN_SCHEMA, SKIPPING, DOCUMENT = 1, 2, 4, 8  # fuzz_record.c
CSV, SHORT = 1, 2 << 1  # fuzz_import.c: the format; lines of 16 bytes at most
DATE = "2026-11-23T08:15:30.250Z"
LINE = json.dumps({"usageDate": DATE, "usageSpecification": {"id": "s"}, "usageCharacteristic": [
    {"name": "sourceSystem", "value": "s"}, {"name": "sourceRecordId", "value": "1"}, {"name": "计", "value": 1.50}]})
RATED_LINE = json.dumps({**json.loads(LINE), "status": "rated", "id": "x", "ratedProductUsage": [
    {"ratingDate": DATE, "taxExcludedRatingAmount": {"unit": "CNY", "value": 1}, "taxRate": 6,
     "taxIncludedRatingAmount": {"unit": "CNY", "value": 1.06}, "productRef": {"id": "p"}}]})


def write(target: str, name: str, content: bytes) -> None:
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def compact(schema: object) -> bytes:
    return json.dumps(schema, separators=(",", ":"), ensure_ascii=False).encode()


def value(writer: Writer, record: dict) -> bytes:
    return framed(1, writer.encode(writer.carries(record)))


def records() -> None:
    source = Records(1, now_ms=NOW_MS)
    voice, data = source.next("voice"), source.next("data")
    every = {**source.next("sms"), "status": "guided", "description": "计费 \U0001f4de", "usageCharacteristic": [
        {"name": "t", "value": "text", "valueType": "string", "id": "1"}, {"name": "l", "value": -2**63},
        {"name": "d", "value": 1e300}, {"name": "b", "value": True}, {"name": "m", "value": Decimal("-0.000000001")},
        *({"name": "j", "value": Json(text)} for text in ('{"a":[1,null,"\\u00e9\\ud83d\\udcde"]}', "[1e400 ]", "0.60",
                                                         "null", '"x\\n"', "true", "1" * 50))]}
    for name, record in (("voice", voice), ("data", data), ("every", every)):
        write("record", f"raw-{name}", bytes([0]) + value(PLAIN, record))
    for writer in (MEDIATION, ROAMING):
        write("record", f"own-{writer.name}",
              bytes([OWN_SCHEMA]) + compact(writer.schema) + b"\0" + value(writer, voice))
    for name, rating in (("names", source.rating_of(voice)), ("with", source.rating_with(data)),
                         ("id", {"usageId": id_of(voice), "status": "guided"}),
                         ("bill", {"usageId": id_of(voice), "status": "billed", "ratedProductUsage": []})):
        write("record", f"rated-{name}", bytes([RATED]) + value(RATED_PLAIN, rating))
    write("record", "rated-engine", bytes([RATED | OWN_SCHEMA]) + compact(ENGINE.schema) + b"\0"
          + value(ENGINE, source.rating_of(voice)))
    write("record", "skipping", bytes([SKIPPING]) + framed(1, skipping()))
    for name, document in (("plain", LINE), ("rated", RATED_LINE), ("broken", LINE[:-1])):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), {
            "source": "s", "recordId": "1", "usageDate": NOW_MS, "document": document})
        write("record", f"document-{name}", bytes([DOCUMENT]) + framed(1, out.getvalue()))
    write("record", "framing-json", bytes([0]) + b'{"source":"a"}')
    write("record", "framing-short", bytes([0]) + b"\0\0\0")


def skipping() -> bytes:
    """A record under the schema that fuzz_record.c has in it."""
    text = (SEEDS.parent / "fuzz_record.c").read_text().partition("char skipping[] =")[2].partition(";\n")[0]
    schema = json.loads("".join(re.findall(r'"((?:\\.|[^"\\])*)"', text)).replace('\\"', '"'))
    part = {"b": True, "d": 1.5, "z": [{}, {}]}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), {
        "e": "B", "source": ("bytes", b"med"), "m": {"k": [None, ("float", 1.5), ("a.b.F", b"abc")]}, "recordId": "r1",
        "usageDate": NOW_MS * 1000, "n": [None] * 3, "usageType": "A", "r": part, "status": "received",
        "usageCharacteristic": [
            {"name": "i", "value": ("int", 7)}, {"name": "f", "value": ("float", 0.5)},
            {"name": "j", "value": ("a.b.TheJson", {"x": part, "json": b"[1]"})},
            {"name": "d", "value": ("a.b.D", bytes([0] * 15 + [1, 200]))}]})
    return out.getvalue()


def schemas() -> None:
    for path in (*sorted((ROOT / "schemas").glob("R*Usage.avsc")), ROOT / "schemas" / "UsageDocument.avsc"):
        write("schema", path.stem, compact(json.loads(path.read_text())))
    for writer in (MEDIATION, ROAMING, ENGINE):
        write("schema", writer.name, compact(writer.schema))
    needed = [{"name": "source", "type": "string"}, {"name": "recordId", "type": "string"},
              {"name": "usageDate", "type": "long"}, {"name": "usageType", "type": "string"}]

    def raw(*fields: object) -> bytes:
        return compact({"type": "record", "name": "RawUsage", "fields": [*needed, *fields]})

    write("schema", "recursive", raw({"name": "x", "type": ["null", "RawUsage"]}))
    deep: object = "int"
    for _ in range(70):
        deep = {"type": "array", "items": deep}
    write("schema", "deep", raw({"name": "x", "type": deep}))
    write("schema", "nulls", raw({"name": "x", "type": {"type": "array", "items": "null"}}))
    money = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
    write("schema", "again", raw(
        {"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"], "default": "A"}},
        {"name": "b", "type": {"type": "map", "values": ["null", "E", {"type": "fixed", "name": "n.F", "size": 3}]}},
        {"name": "c", "aliases": ["d"], "type": money}))
    write("schema", "no-json", b'{"type":')


def answers() -> None:
    kind = b"application/vnd.schemaregistry.v1+json"
    for name, status, body in (
            ("schema", 0, b'{"schema":"{\\"type\\":\\"int\\"}","id":7}'),
            ("protobuf", 0, b'{"schema":"message M {}","schemaType":"PROTOBUF"}'),
            ("references", 0, b'{"schema":"\\"a.B\\"","references":[{"name":"a.B","subject":"b","version":1}]}'),
            ("unknown", 1, b'{"error_code":40403,"message":"Schema 7 not found"}'),
            ("refused", 2, b'{"error_code":409,"message":"incompatible\\n\\u0007 \\"x\\" \xe8\xae\xa1"}'),
            ("number", 1, b'{"error_code":1e300,"message":""}'), ("large", 0, b'{"id":4294967295}'),
            ("broken", 0, b'{"schema":')):
        write("registry", name, bytes([status]) + kind + b"\0" + body)
    write("registry", "html", bytes([5]) + b"text/html\0<html>502 Bad Gateway</html>")


def settings() -> None:
    text = (b"# a comment\nname = one\nusage.oldest = 10 y\n[batch]\nrecords = 100\nwait-ms=5\n; another\n"
            b"bytes = 8 MiB\n")
    write("settings", "file", text)
    write("settings", "all", text + b"[server]\npassword=s\xe8\xae\xa1\0USAGED_ON=false\0USAGED_OTHER_X_Y=1\0"
          b"USAGED_NOTE_FILE=x\0\0topics=a,b, c\0interval=day\0place = second\0")
    write("settings", "bad", b"\xef\xbb\xbf[\nx\n[]\nname\nname=\nname=a\nname=b\n= 3\n"
          b"batch.records = 99999999999999999999\n\0USAGED_NO=1\0USAGED_NAME=1\0USAGED_NAME_FILE=1\0\0=\0on=maybe\0"
          b"topics=,\0batch.wait-ms=1.5s\0usage.oldest=1 x\0")
    write("settings", "long", b"note = " + b"n" * 8190 + b"\nnote=" + b"n" * 8180 + b"\r\n")


def numbers() -> None:
    texts = {
        "date": "2026-11-23T08:15:30.250Z", "offset": "1969-12-31t23:59:60.999999+23:59",
        "leap": "2000-02-29 00:00:00z",
        "first": "0000-01-01T00:00:00Z", "last": "9999-12-31T23:59:60-23:59", "money": "169299987.35345112",
        "small": "-0.00000000000000000000000000000000000001", "most": "9" * 38, "more": "9" * 39, "power": "-1.50e-7",
        "huge": "1E+999999999999999", "fifty": "1" * 50, "long": "-9223372036854775808", "next": "9223372036854775808",
        "zero": "-0.0e-0", "unit": "10 y", "size": "8 MiB", "ms": "20ms", "infinite": "9223372036854775807 d"}
    for name, text in texts.items():
        write("number", name, text.encode())
    for name, double in (("tenth", 0.1), ("least", 5e-324), ("most", -1.7976931348623157e308), ("whole", 1e22)):
        write("number", f"real-{name}", struct.pack("<d", double))


def documents() -> None:
    write("json", "document", json.dumps({
        "@type": "Usage", "usageDate": "2026-11-23T08:15:30.250Z", "usageType": "VOICE",
        "usageSpecification": {"id": "voice-1", "name": "n", "href": "h", "@referredType": "t"},
        "relatedParty": [{"id": "1", "role": "subscriber", "name": "示例", "@referredType": "Customer"}],
        "usageCharacteristic": [
            {"name": "a", "value": 1, "valueType": "integer", "id": "i"},
            {"name": "b", "value": {"x": [1.50, None, "\u0007"]}},
            {"name": "c", "value": None, "characteristicRelationship": [{"id": "2", "relationshipType": "of"}]},
            {"name": "d", "value": True}, {"name": "e", "value": "\U0001f4de\\\"/"}],
        "@baseType": "b", "@schemaLocation": "s", "extra": {"more": [1e5]}, "z": 0}).encode())
    write("json", "ratings", json.dumps([{
        "ratingDate": "2026-11-23T08:15:30.250Z", "ratingAmountType": "Total",
        "taxIncludedRatingAmount": {"unit": "CNY", "value": 1.60},
        "taxExcludedRatingAmount": {"unit": "CNY", "value": 0},
        "bucketValueConvertedInAmount": {"unit": "MB", "value": -1}, "taxRate": 6, "isTaxExempt": False,
        "isBilled": True,
        "offerTariffType": "Normal", "usageRatingTag": "usage",
        "productRef": {"id": "p", "name": "n", "href": "h", "@referredType": "Product"}}, {}]).encode())
    texts = {
        "zero-behind": " \t\r\n1\0", "escapes": r'["\u00e9\ud83d\udcde\/\b\f\n\r\t\\\"", "\ud800", "\u0000"]',
        "numbers": "[0,-0,1e9,1.5E-3,01,1.,-]", "deep": "[" * 70 + "]" * 70, "blank": " \t\r\n1\n",
        "twice": '{"a":1,"a":2}', "words": "[true,false,null,nul]"}
    for name, text in texts.items():
        write("json", name, text.encode())


def merges() -> None:
    pairs = {  # most of them from RFC 7396's appendix
        "change": ('{"a":"b"}', '{"a":"c"}'), "remove": ('{"a":"b","b":"c"}', '{"a":null}'),
        "inside": ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}'), "array": ('{"a":[{"b":"c"}]}', '{"a":[1]}'),
        "scalar": ('{"a":"foo"}', '"bar"'), "null-stays": ('{"e":null}', '{"a":1}'),
        "from-array": ("[1,2]", '{"a":"b","c":null}'), "deep-null": ("{}", '{"a":{"bb":{"ccc":null}}}'),
        "nothing": ("", '{"a":{"b":null,"c":0.60}}'),
        "twice": (r'{"a":1,"\u0061":{"b":2}}', r'{"a":{"c":3},"\u0061":{"d":null,"d":4}}'),
        "blanks": (' { "a\\"" :\n [ 1e2 , {"x" : null} ] } ', '{ "b" :-0.0 , "a\\"": { } }\r\n'),
        "usage": ('{"usageDate":"2026-11-23T08:15:30.250Z","usageSpecification":{"id":"voice-cdr-1","name":"V"},'
                  '"relatedParty":[{"id":"c"}]}',
                  '{"status":"rated","usageSpecification":{"name":null,"href":"x"},"relatedParty":[]}'),
        "deepest": ('{"a":' * 64 + "1" + "}" * 64, '{"a":' * 64 + "null" + "}" * 64)}
    for name, (target, patch) in pairs.items():
        write("merge", name, target.encode() + b"\0" + patch.encode())


def bodies() -> None:
    """What the description gives as examples, and the longest body; the first byte says what it is a body of."""
    operations = json.loads((ROOT / "schemas" / "openapi.json").read_text())["paths"]
    for kind, path, method in ((0, "/usage", "post"), (1, "/usage/{id}", "patch"), (2, "/usageSpecification", "post"),
                               (3, "/usageSpecification/{id}", "patch")):
        examples = operations[path][method]["requestBody"]["content"]["application/json"]["examples"]
        for name, example in examples.items():
            write("body", f"{kind}-{name}", bytes([kind]) + compact(example["value"]))
    period = {"startDateTime": "2026-01-01T00:00:00+08:00", "endDateTime": "9999-12-31t23:59:59z"}
    write("body", "2-every", bytes([2]) + compact({
        "name": "计费", "lastUpdate": "2026-01-01T00:00:00Z", "validFor": period, "attachment": [
            {"content": "aGk=", "url": "http://[::1]:8/%41?b#c", "size": {"amount": 1.5, "units": "MB"}}],
        "constraint": [{"id": "1", "version": "2"}], "relatedParty": [{"id": "p", "@referredType": "Individual"}],
        "entitySpecRelationship": [{"relationshipType": "r", "associationSpec": {"id": "1"}, "validFor": period}],
        "targetEntitySchema": {"@type": "T", "@schemaLocation": "s"}, "extension": {"a": None, "b": [{}, []]},
        "specCharacteristic": [{"isUnique": True, "charSpecRelationship": [{"parentSpecificationHref": "urn:x"}],
                                "characteristicValueSpecification": [{"value": {"x": None}, "valueTo": 7}]}]}))
    for name, text in {
            "1-nulls": '{"description":null,"usageSpecification":{"name":null},"x":null,"status":null}',
            "0-twice": r'{"usageSpecification":{"id":"x","y":[{"a":1,"\u0061":2}]}}',
            "0-digits": '{"usageSpecification":{"id":"x"},"ratedProductUsage":[{"taxRate":1.0e-9},{"taxRate":1e29}]}',
            }.items():
        write("body", name, bytes([int(name[0])]) + text.encode())


def queries() -> None:
    for name, text in {
            "page": "offset=20&limit=10&fields=id,status&sort=-usageDate,status,+description",
            "window": "usageDate.gte=2026-11-01T00:00:00Z&usageDate%3C2026-12-01T08:00:00+08:00&status=rated,rerated",
            "groups": "status=rated&usageType=A%2CB,C;id=01a20779-75ca-882e-8c96-86cbff439931;href.regex=x$;"
                      "usageDate.ne=2026-11-01T00:00:00.0001Z",
            "element": "usageCharacteristic.name=msisdn&usageCharacteristic.value==1.870e2&usageCharacteristic.value.gt=-5E-3"
                       "&usageCharacteristic.characteristicRelationship.id.ne=x,y&usageCharacteristic.name%3D~%5Ea",
            "parties": "relatedParty.id=a,b&relatedParty.role*=pay&sort=id",
            "rating": "ratedProductUsage.isBilled=false&ratedProductUsage.productRef.id=p&ratedProductUsage.taxRate%3E%3D6",
            "specification": "specCharacteristic.regex.regex=a&specCharacteristic.characteristicValueSpecification."
                             "validFor.endDateTime.lt=2026-01-01t00:00:00z&sort=-isBundle,lastUpdate&name=%E8%AE%A1",
            "after": "limit=5&after=1ipLShyjwmgAAAAAAAAABQAkMDFhMjA3NzktNzVjYS04ODJlLThjOTYtODZjYmZmNDM5OTMx",
            "faults": "filter=x;%zz=1&=;&limit=-1&status=Rated&id=%00&usageDate=x&a*b&c!=d"}.items():
        write("query", name, text.encode())


def imports() -> None:
    names = ("id,href,usageDate,usageType,status,description,usageSpecification,relatedParty,usageCharacteristic,"
             "ratedProductUsage")

    def row(*cells: str) -> str:
        return ",".join('"' + cell.replace('"', '""') + '"' if set(cell) & set('",\r\n') else cell for cell in cells)

    key = json.dumps(json.loads(LINE)["usageCharacteristic"], separators=(",", ":"))
    good = row("", "", DATE, "VOICE", "received", 'two\r\nlines, "quoted"', '{"id":"s"}', '[{"id":"c","@referredType":"Customer"}]', key,
               "")
    rated = row("x", "http://x", DATE, "", "rated", "", '{"id":"s"}', "", key, json.dumps(json.loads(RATED_LINE)["ratedProductUsage"]))
    for name, first, stream in (
            ("lines", 0, f"{LINE}\n\r\n \t\n{RATED_LINE}\r\n{LINE[:-1]}\n[]\n{{}}\n{LINE}"),
            ("no-key", 0, '{"usageDate":"%s","usageSpecification":{"id":"s","@type":"T"},"x":[1.50,null]}\n' % DATE),
            ("long-lines", SHORT, "0123456789abcdef\n0123456789abcdef\r\n0123456789abcdefg\n\n\r\r\n0123456789abcdef0"),
            ("rows", CSV, f"\ufeff{names}\r\n{good}\r\n\r\n{rated}\n{good}"),
            ("two-columns", CSV, f"usageSpecification,usageDate\n{row('{}', DATE)}\n{row('{', DATE)}\n{DATE}\n"),
            ("bad-rows", CSV, f'{names}\na"b,c\n"d"e\n"f"\r\n"g"\rh\n"i\nj'),
            ("long-rows", CSV | SHORT, '"a\n",0123456789\n"b\n\n0123456789abcdef0\n",c\nd\n,,,,,,,,,,,,,,,,,\n"'),
            ("many-cells", CSV, "," * 64 + "\n" + "," * 63 + "\nusageDate,usageDate\n")):
        for pieces in (0, 77):
            write("import", f"{name}-{pieces}", bytes([first, pieces]) + stream.encode())


if __name__ == "__main__":
    for make in (records, schemas, answers, settings, numbers, documents, merges, bodies, queries, imports):
        make()
