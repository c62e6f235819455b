-- When the chain last changed a table, a player or the sums, and when that was last compared with the chain.
CREATE TABLE compared (
    subject  text   PRIMARY KEY,
    -- The block of the last event about it.
    changed  bigint NOT NULL,
    -- The block of the last comparison; 0: none yet.
    compared bigint NOT NULL DEFAULT 0
);
CREATE INDEX compared_changed ON compared (changed, subject) WHERE changed > compared;
CREATE INDEX compared_rest ON compared (compared, subject) WHERE changed <= compared;
-- What is known already is compared in turn.
INSERT INTO compared (subject, changed)
    SELECT 'player:' || substr(account, 6), 0 FROM balances WHERE account LIKE 'free:%'
    UNION SELECT 'player:0x' || encode(player, 'hex'), 0 FROM seat_owners
    UNION SELECT 'table:' || uid, 0 FROM tables
    UNION SELECT 'house', 0;

-- What the transaction cost, in wei, once its receipt was seen.
ALTER TABLE transactions ADD COLUMN fee_wei numeric(39) NOT NULL DEFAULT 0 CHECK (fee_wei >= 0);
CREATE INDEX ON transactions (changed);

-- Entries whose transaction is in a block, to find those whose log was left out.
CREATE INDEX entries_mined ON entries (tx_id) WHERE state = 'mined';

-- The order to read the vault's log again: the next block; NULL: none. And how many events that found so far.
CREATE TABLE reread (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    next  bigint,
    found bigint NOT NULL DEFAULT 0
);
INSERT INTO reread DEFAULT VALUES;
