-- Players whose deposit was final and is on the chain no more: nothing of theirs is promised or paid until it is back.
CREATE TABLE frozen (
    player bytea PRIMARY KEY CHECK (length(player) = 20),
    -- The deposit's key in the ledger.
    key    text  NOT NULL
);
ALTER TABLE notices DROP CONSTRAINT notices_state_check;
ALTER TABLE notices ADD CONSTRAINT notices_state_check CHECK (
    state IN ('submitted', 'confirmed', 'rejected') AND player IS NULL
    OR state IN ('exit', 'frozen', 'thawed') AND player IS NOT NULL);
