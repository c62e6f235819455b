-- Limits that players set for themselves, as JSON; the session that they are in, as the last reservation or the last seat
-- given up has left it.
CREATE TABLE own_limits (
    player  bytea PRIMARY KEY CHECK (length(player) = 20),
    limits  text   NOT NULL,
    began_s bigint,
    seen_s  bigint,
    CHECK ((began_s IS NULL) = (seen_s IS NULL))
);

-- When chips were brought to a table. Reservations of before this migration have no time, and count for no limit.
ALTER TABLE reservations ADD COLUMN made timestamptz;
ALTER TABLE reservations ALTER COLUMN made SET DEFAULT now();
