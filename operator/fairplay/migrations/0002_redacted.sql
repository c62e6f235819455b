-- Texts and hands of a cleared case are past their retention and gone.
ALTER TABLE cases ADD COLUMN redacted boolean NOT NULL DEFAULT false;
CREATE INDEX cases_cleared ON cases (updated_ms) WHERE state = 'closed' AND NOT in_force AND NOT redacted;
