-- The signer has this record's hash from the table's own certificate. Of records from before nobody has said so.
ALTER TABLE hands ADD COLUMN confirmed boolean NOT NULL DEFAULT false;

-- What the signer has accepted of hands whose record with that hash has not come.
CREATE TABLE early_hashes (
    table_uid text   NOT NULL REFERENCES tables,
    hand      bigint NOT NULL,
    hash      bytea  NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (table_uid, hand)
);
