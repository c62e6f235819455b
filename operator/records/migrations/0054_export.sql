-- The exporter asks for the hands of an hour. Hands are stored about in the order in which they ended.
SET LOCAL statement_timeout = 0;
CREATE INDEX hands_ended ON hands USING brin (ended_ms) WITH (pages_per_range = 32, autosummarize = on);
-- Grows with every change of a row: an exported hour whose sum is another one is written anew.
ALTER TABLE table_hours ADD COLUMN changes bigint NOT NULL DEFAULT 0;
