-- The operator key's signature over each hand (EIP-712, HandReceipt). The row comes with the accepted entry, the
-- signature after it: a row without one is work to do.
CREATE TABLE receipts (
    uid       text   NOT NULL,
    seq       bigint NOT NULL,
    hand      bigint NOT NULL,
    signer    bytea  CHECK (length(signer) = 20),
    signature bytea  CHECK (length(signature) = 65),
    PRIMARY KEY (uid, seq),
    FOREIGN KEY (uid, seq) REFERENCES entries,
    CHECK ((signer IS NULL) = (signature IS NULL))
);
CREATE INDEX ON receipts (uid, hand, seq);
CREATE INDEX receipts_unsigned ON receipts (uid, seq) WHERE signature IS NULL;
-- Hands of before are signed too.
INSERT INTO receipts (uid, seq, hand)
    SELECT uid, seq, (payload::json #>> '{body,hand}')::bigint FROM entries WHERE kind = 'hand';
