-- From when on players who were not in the hand may read it, in milliseconds since 1970; 0: at once.
ALTER TABLE hands ADD COLUMN shown_ms bigint NOT NULL DEFAULT 0;
-- Whether everybody sees addresses.
ALTER TABLE hands ADD COLUMN public boolean NOT NULL DEFAULT false;

-- Players' names for others are made with this key. It lies beside the addresses that it hides, and in the same backups.
CREATE TABLE names_key (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    key bytea   NOT NULL CHECK (length(key) = 32)
);
INSERT INTO names_key (key) VALUES (sha256(convert_to(
    gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));
