-- Why: filters of GET /usage and GET /usageSpecification on what has no column, and on all parties of a usage.

-- A JSON number as numeric; null for one that numeric cannot hold, or not cheaply (1e400000), and for what is no number.
CREATE FUNCTION json_number(p_value json) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    digits text;
BEGIN
    IF json_typeof(p_value) <> 'number' THEN
        RETURN NULL;
    END IF;
    digits := p_value #>> '{}';
    IF length(digits) > 300 OR digits ~ '[eE][-+]?0*[1-9][0-9]{3}' THEN
        RETURN NULL;
    END IF;
    RETURN digits::numeric;
END $$;

-- A date-time (RFC 3339) as its writer wrote it, in the form that sorts: UTC, milliseconds, Z. Digits below are cut off;
-- second 60 is the first moment of the next minute.
CREATE FUNCTION json_date_time(p_text text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    part   text[] := regexp_match(p_text,
        '^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,3})\d*)?(?:[Zz]|([-+])(\d\d):(\d\d))$');
    moment timestamp;
BEGIN
    moment := (part[1] || ' ' || part[2])::timestamp;
    IF part[2] NOT LIKE '%:60' THEN
        moment := moment + make_interval(secs => rpad(coalesce(part[3], '0'), 3, '0')::numeric / 1000);
    END IF;
    IF part[4] IS NOT NULL THEN
        moment := moment - (part[4] || part[5] || ':' || part[6])::interval;
    END IF;
    RETURN to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
EXCEPTION WHEN data_exception THEN -- the year 0000
    RETURN NULL;
END $$;

-- All values of the characteristics of one name, for an index on some of them: a text or a truth as it is, a number in its
-- shortest form. Cut, since an index has no room for more; whoever asks must cut too, and look at what is found.
-- The name needs no escape in JSON, so that a document without it need not be read.
CREATE FUNCTION usage_characteristic_values(p_document text, p_name text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$
DECLARE
    one   json;
    value json;
    found text[] := '{}';
BEGIN
    IF strpos(p_document, p_name) = 0 THEN
        RETURN found;
    END IF;
    FOR one IN SELECT json_array_elements(p_document::json -> 'usageCharacteristic') LOOP
        value := one -> 'value';
        IF one ->> 'name' = p_name AND json_typeof(value) IN ('string', 'number', 'boolean') THEN
            found := found || left(coalesce(trim_scale(usaged.json_number(value))::text, value #>> '{}'), 256);
        END IF;
    END LOOP;
    RETURN found;
END $$;

-- Parties but the subscriber. Nothing is to be done for the usual usage, which has none.
CREATE INDEX usage_row_other_parties ON usage_row USING gin (other_party_ids) WITH (fastupdate = off)
WHERE other_party_ids IS NOT NULL;
