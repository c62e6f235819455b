-- When a table's entries are due: a sit, top-up or leave at once, a hand after its table's longest delay, and all once
-- there are as many as one transaction takes. Read many times a second beside ten thousand tables that wait.
ALTER TABLE tables ADD COLUMN max_hands bigint NOT NULL DEFAULT 1;
ALTER TABLE tables ADD COLUMN max_delay_ms bigint NOT NULL DEFAULT 0;
UPDATE tables SET max_hands = (config::jsonb ->> 'maxHands')::bigint, max_delay_ms = (config::jsonb ->> 'maxDelayMs')::bigint;
ALTER TABLE entries ADD COLUMN due timestamptz NOT NULL DEFAULT now();

-- What waits, and what stands in its way: both are few beside all entries.
CREATE INDEX entries_due ON entries (due) INCLUDE (uid) WHERE state = 'requested';
CREATE INDEX entries_waiting ON entries (uid, seq) INCLUDE (accepted, kind) WHERE state = 'requested';
CREATE INDEX entries_in_the_way ON entries (uid, seq)
    WHERE state IN ('checked', 'signed', 'broadcast', 'mined', 'rejected');
CREATE INDEX tables_full ON tables (uid) WHERE head_seq - confirmed_seq >= max_hands;
