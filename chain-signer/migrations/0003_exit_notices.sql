-- A player who asked on chain to leave for good: their tables are told.
ALTER TABLE notices DROP CONSTRAINT notices_state_check;
ALTER TABLE notices ADD COLUMN player bytea CHECK (length(player) = 20);
ALTER TABLE notices ADD CONSTRAINT notices_state_check CHECK (
    state IN ('submitted', 'confirmed', 'rejected') AND player IS NULL OR state = 'exit' AND player IS NOT NULL);
