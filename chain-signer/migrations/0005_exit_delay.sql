-- The vault's exit clock, which never changes: how long hands may wait for the chain depends on it.
ALTER TABLE identity ADD COLUMN exit_delay_s bigint CHECK (exit_delay_s > 0);
