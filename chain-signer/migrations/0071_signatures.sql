-- The signature of a table's own certificate over each entry that it handed in, and the certificates, each once.
CREATE TABLE certificates (
    hash bytea PRIMARY KEY CHECK (length(hash) = 32),
    der  bytea NOT NULL
);
ALTER TABLE entries ADD COLUMN signature bytea;
ALTER TABLE entries ADD COLUMN certificate bytea REFERENCES certificates;
-- NULL: handed in by a table of a release before.
ALTER TABLE entries ADD CONSTRAINT signed_by CHECK ((signature IS NULL) = (certificate IS NULL));
