-- Appends rows to the hash chain in one call: takes the lock on its end, reads the last row after that, links each new row
-- to the one before it. The bytes of a link are those of `link` in the program, which checks them in every audit.
CREATE FUNCTION journal_append(kinds text[], bodies text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last_id   bigint;
    last_hash bytea;
    kind_is   bytea;
    body_is   bytea;
    link      bytea;
BEGIN
    PERFORM pg_advisory_xact_lock(8103508940260603250);
    SELECT j.id, j.hash INTO last_id, last_hash FROM journal j ORDER BY j.id DESC LIMIT 1;
    IF last_id IS NULL THEN
        last_id := 0;
        last_hash := decode(repeat('00', 32), 'hex');
    END IF;
    FOR n IN 1 .. cardinality(kinds) LOOP
        last_id := last_id + 1;
        kind_is := convert_to(kinds[n], 'UTF8');
        body_is := convert_to(bodies[n], 'UTF8');
        link := sha256(last_hash || int8send(last_id) || int8send(length(kind_is)) || kind_is
            || int8send(length(body_is)) || body_is);
        INSERT INTO journal (id, kind, body, prev, hash) VALUES (last_id, kinds[n], bodies[n], last_hash, link);
        last_hash := link;
    END LOOP;
END
$$;
