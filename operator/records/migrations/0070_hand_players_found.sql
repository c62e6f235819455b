-- A player's own hands are found by day and by pot through indexes of that player's rows. Both columns copy the hand's.
-- Rows of before are null until the program fills them, newest first, while it serves: nothing here rewrites a table.
SET LOCAL statement_timeout = 0;
-- day: when the hand ended, in days since 1970 (UTC). pot: all pots together, before rake.
ALTER TABLE hand_players ADD COLUMN day integer, ADD COLUMN pot bigint;
CREATE INDEX hand_players_day ON hand_players (player, day, hand_id) WHERE day IS NOT NULL;
CREATE INDEX hand_players_pot ON hand_players (player, pot, hand_id) WHERE pot IS NOT NULL;

-- Rows of hands below this number may lack both; 0: none does. The lock on hand_players, which the columns have taken,
-- waits for every transaction that has written rows, and rows that come later have both.
CREATE TABLE hand_players_filled (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    below  bigint  NOT NULL CHECK (below >= 0)
);
INSERT INTO hand_players_filled (below) SELECT coalesce(max(hand_id) + 1, 0) FROM hand_players;

-- A release before this one writes neither column.
CREATE FUNCTION hand_players_fill() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    SELECT (h.ended_ms / 86400000)::integer, h.pot INTO NEW.day, NEW.pot FROM hands h WHERE h.id = NEW.hand_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER hand_players_fill BEFORE INSERT ON hand_players FOR EACH ROW WHEN (NEW.day IS NULL)
    EXECUTE FUNCTION hand_players_fill();
