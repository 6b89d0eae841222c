"""fill - many usages at once, in the stored form, by SQL alone: for what is asked of a table that is large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from rig import Rig, Service

MONTHS = ("2026-08", "2026-09", "2026-10", "2026-11")

FILL = """
INSERT INTO usage_row (id, usage_date, usage_type, status, specification_id, party_id, other_party_ids, rated_product_usage,
                       revision, created_at, updated_at, content, document)
SELECT (lpad(to_hex((extract(epoch FROM date) * 1000)::bigint), 12, '0') || '8' || substr(digest, 1, 3) || '8' ||
        substr(digest, 4, 15))::uuid,
       date, type, CASE WHEN i % 4 = 0 THEN 'rated' ELSE 'received' END, lower(type), party, others,
       CASE WHEN i % 4 = 0 THEN '[{"productRef":{"id":"prod-' || i % 50 || '"}}]' END, 1, now(), now(), i,
       json_build_object('usageDate', to_char(date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'usageType', type,
           'usageSpecification', json_build_object('id', lower(type)), 'usageCharacteristic', json_build_array(
               json_build_object('name', 'msisdn', 'value', '138' || lpad((i % 9973)::text, 8, '0')),
               json_build_object('name', 'seconds', 'value', i % 3600)),
           'relatedParty', json_build_array(json_build_object('id', party, '@referredType', 'Customer')))
FROM (SELECT i, md5(i::text) AS digest, '2026-08-01T00:00:00Z'::timestamptz + i * 122 * interval '1 day' / {rows} AS date,
             (ARRAY['VOICE', 'SMS', 'DATA'])[1 + i % 3] AS type, 'cust-' || i % 4001 AS party,
             CASE WHEN i % 25 = 0 THEN ARRAY['org-' || i / 25 % 40] END AS others
      FROM generate_series(0, {rows} - 1) AS i) AS made
"""


def fill_usages(db: psycopg.Connection, rows: int) -> None:
    """Of four months, evenly; a quarter is rated, one in 25 has a second party."""
    for month in MONTHS:
        db.execute("SELECT ensure_partition(%s::timestamptz, 'month')", (f"{month}-02T00:00:00Z",))
    db.execute(FILL.replace("{rows}", str(rows)))


def filled(rig: Rig, name: str, rows: int) -> Service:
    """A service that runs over so many, in a scene of this name."""
    scene = rig.scene(name)
    service = scene.service()
    service.migrate()
    with scene.connect() as db:
        fill_usages(db, rows)
        db.execute("ANALYZE usage_row")
    return service.start()
