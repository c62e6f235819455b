-- What the chain made of a record: 0 not known yet, 1 settled with this hash, 2 settled with another one, 3 void.
ALTER TABLE hands ADD COLUMN standing smallint NOT NULL DEFAULT 0 CHECK (standing BETWEEN 0 AND 3);
CREATE INDEX hands_pending ON hands (id) WHERE standing = 0;

-- What the signer says of hands whose record with that hash has not come; no hash: void.
CREATE TABLE early_verdicts (
    table_uid text   NOT NULL REFERENCES tables,
    hand      bigint NOT NULL,
    hash      bytea  CHECK (length(hash) = 32),
    PRIMARY KEY (table_uid, hand)
);

-- Up to which row of the signer's journal it has been applied.
CREATE TABLE feed (
    single  boolean PRIMARY KEY DEFAULT true CHECK (single),
    through bigint  NOT NULL DEFAULT 0
);
INSERT INTO feed DEFAULT VALUES;
