-- Those of the characteristics $1 on whose values not every partition has a valid index, in their order.
SELECT wanted
FROM unnest($1::text[]) WITH ORDINALITY AS w (wanted, place)
WHERE EXISTS (
    SELECT FROM pg_inherits i
    WHERE i.inhparent = 'usaged.usage_row'::regclass AND NOT EXISTS (
        SELECT FROM pg_index x
        WHERE x.indrelid = i.inhrelid AND x.indisvalid
          AND substring(pg_get_indexdef(x.indexrelid)
                        FROM 'usage_characteristic_values\(document, ''([^'']*)''::text\)') = wanted))
ORDER BY place
