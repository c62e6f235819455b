-- Times are milliseconds since 1970; amounts are minor units of the token.

-- Where the detectors are. Each program that takes over raises the generation, and only its own writes are taken.
CREATE TABLE progress (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    generation bigint  NOT NULL DEFAULT 0,
    -- Hands up to here are in the checkpoint's state.
    cursor     bigint  NOT NULL DEFAULT 0 CHECK (cursor >= 0),
    -- End of the newest hand that was judged: what the next look may spend of the false-discovery rate follows from it.
    judged_ms  bigint  NOT NULL DEFAULT 0,
    checkpoint bigint  NOT NULL DEFAULT 0
);
INSERT INTO progress DEFAULT VALUES;

-- The detectors' state; parts of another number than the one above are left from a write that did not end.
CREATE TABLE checkpoint_parts (
    checkpoint bigint  NOT NULL,
    part       integer NOT NULL,
    bytes      bytea   NOT NULL,
    PRIMARY KEY (checkpoint, part)
);

-- Every fair-play part that was opened, before it was opened. Append only; each row has the hash of the one before it.
CREATE TABLE openings (
    id        bigint PRIMARY KEY CHECK (id >= 1),
    -- A reviewer's address, or the name of the program.
    opener    text   NOT NULL CHECK (opener <> ''),
    table_uid text   NOT NULL,
    hand      bigint NOT NULL,
    -- Of the record, SHA-256.
    record    bytea  NOT NULL CHECK (length(record) = 32),
    reason    text   NOT NULL CHECK (reason <> ''),
    at_ms     bigint NOT NULL,
    prev      bytea  NOT NULL CHECK (length(prev) = 32),
    hash      bytea  NOT NULL UNIQUE CHECK (length(hash) = 32)
);
CREATE INDEX openings_by_opener ON openings (opener, id) WHERE opener <> 'detectors';
CREATE FUNCTION openings_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'openings are never changed or deleted';
END $$;
CREATE TRIGGER openings_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON openings
    FOR EACH STATEMENT EXECUTE FUNCTION openings_are_kept();
REVOKE UPDATE, DELETE, TRUNCATE ON openings FROM CURRENT_USER;

CREATE TABLE cases (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    members    bytea[] NOT NULL,
    state      text   NOT NULL CHECK (state IN ('open', 'dissent', 'decided', 'appealed', 'closed')),
    -- A sanction is decided and not taken back.
    in_force   boolean NOT NULL DEFAULT false,
    -- The case as JSON; one transition function makes each from the one before.
    body       text   NOT NULL,
    opened_ms  bigint NOT NULL,
    updated_ms bigint NOT NULL
);
CREATE INDEX cases_members ON cases USING gin (members);
CREATE INDEX cases_state ON cases (state, id);
CREATE INDEX cases_in_force ON cases (id) WHERE in_force;

-- Everything that happened to a case, in order; append only.
CREATE TABLE case_events (
    case_id bigint  NOT NULL REFERENCES cases,
    seq     integer NOT NULL CHECK (seq >= 1),
    actor   text    NOT NULL CHECK (actor <> ''),
    body    text    NOT NULL,
    at_ms   bigint  NOT NULL,
    PRIMARY KEY (case_id, seq)
);

-- What the signer was told, by player and sanction. The decision stands in the case; this is how far it was carried out.
CREATE TABLE sanctions (
    player  bytea   NOT NULL CHECK (length(player) = 20),
    kind    text    NOT NULL CHECK (kind IN ('refuseSeats', 'holdVouchers')),
    case_id bigint  NOT NULL REFERENCES cases,
    in_force boolean NOT NULL,
    at_ms   bigint  NOT NULL,
    PRIMARY KEY (player, kind)
);

-- Refunds of decided cases, as the replayable function computes them from the named hands.
CREATE TABLE refunds (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id   bigint NOT NULL REFERENCES cases,
    ordered_by text  NOT NULL CHECK (ordered_by <> ''),
    -- Hands, whether with rake, and the result, as JSON.
    body      text   NOT NULL,
    total     bigint NOT NULL CHECK (total >= 0),
    at_ms     bigint NOT NULL
);
-- A hand is refunded once.
CREATE TABLE refunded_hands (
    table_uid text   NOT NULL,
    hand      bigint NOT NULL,
    refund_id bigint NOT NULL REFERENCES refunds,
    PRIMARY KEY (table_uid, hand)
);
CREATE TABLE refund_payments (
    refund_id bigint NOT NULL REFERENCES refunds,
    player    bytea  NOT NULL CHECK (length(player) = 20),
    amount    bigint NOT NULL CHECK (amount > 0),
    -- The house's payment on chain that pays it.
    paid_by   bigint UNIQUE,
    PRIMARY KEY (refund_id, player)
);
CREATE INDEX refund_payments_due ON refund_payments (player, amount) WHERE paid_by IS NULL;

-- Payments of the house as the signer's ledger has them, by their number there.
CREATE TABLE house_payments (
    id     bigint PRIMARY KEY,
    player bytea  NOT NULL CHECK (length(player) = 20),
    amount bigint NOT NULL,
    tx     text   NOT NULL,
    at_ms  bigint NOT NULL
);
