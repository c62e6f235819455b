-- Amounts are minor units of the token; the largest the system accepts is 2^53.

-- Append only; every row carries the hash of the one before it (`purr-chain-signer audit`).
CREATE TABLE journal (
    id   bigint PRIMARY KEY,
    kind text   NOT NULL,
    body text   NOT NULL,
    prev bytea  NOT NULL CHECK (length(prev) = 32),
    hash bytea  NOT NULL UNIQUE CHECK (length(hash) = 32),
    at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tables (
    uid           text   PRIMARY KEY,
    table_id      bytea  NOT NULL UNIQUE CHECK (length(table_id) = 32),
    config        text   NOT NULL,
    state         text   NOT NULL CHECK (state IN ('opening', 'open')),
    epoch         bigint NOT NULL CHECK (epoch >= 0),
    head_seq      bigint NOT NULL DEFAULT 0,
    head_next     text,
    confirmed_seq bigint NOT NULL DEFAULT 0,
    CHECK (confirmed_seq <= head_seq)
);

-- What the accepted entries make of each seat; the ledger has what the chain made of it.
CREATE TABLE seats (
    uid    text     NOT NULL REFERENCES tables,
    seat   smallint NOT NULL CHECK (seat BETWEEN 0 AND 9),
    player bytea    NOT NULL CHECK (length(player) = 20),
    stack  bigint   NOT NULL CHECK (stack >= 0),
    rake_left bigint NOT NULL CHECK (rake_left >= 0),
    PRIMARY KEY (uid, seat),
    UNIQUE (uid, player)
);

-- One per sender and nonce.
CREATE TABLE transactions (
    id           bigserial PRIMARY KEY,
    purpose      text     NOT NULL CHECK (purpose IN ('open', 'settle', 'fill')),
    sender       bytea    NOT NULL CHECK (length(sender) = 20),
    nonce        bigint   NOT NULL,
    destination  bytea    NOT NULL CHECK (length(destination) = 20),
    calldata     bytea    NOT NULL,
    state        text     NOT NULL,
    block_number bigint,
    block_hash   bytea,
    mined_hash   bytea,
    reverted     boolean  NOT NULL DEFAULT false,
    changed      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (sender, nonce)
);
CREATE INDEX ON transactions (state) WHERE state NOT IN ('confirmed', 'rejected');

-- The versions of a transaction: the first, and its replacements with a higher fee.
-- The row is there before the token signs, the signed bytes before anything is sent.
CREATE TABLE attempts (
    tx_id       bigint   NOT NULL REFERENCES transactions,
    attempt     smallint NOT NULL,
    gas         bigint   NOT NULL,
    max_fee     bigint   NOT NULL,
    priority_fee bigint  NOT NULL,
    tx_hash     bytea    UNIQUE,
    raw         bytea,
    PRIMARY KEY (tx_id, attempt)
);

CREATE TABLE entries (
    uid          text   NOT NULL REFERENCES tables,
    seq          bigint NOT NULL CHECK (seq >= 1),
    kind         text   NOT NULL CHECK (kind IN ('sit', 'topUp', 'hand', 'leave')),
    payload_hash bytea  NOT NULL CHECK (length(payload_hash) = 32),
    payload      text   NOT NULL,
    -- Chips that change hands by it, for the limit an hour.
    moved        bigint NOT NULL CHECK (moved >= 0),
    -- A hand's deltas and rake by seat, as they were accepted.
    lanes        text   NOT NULL,
    state        text   NOT NULL,
    tx_id        bigint REFERENCES transactions,
    accepted     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (uid, seq)
);
CREATE INDEX ON entries (uid, seq) WHERE state = 'requested';
CREATE INDEX ON entries (uid, accepted);
CREATE INDEX ON entries (tx_id);

CREATE TABLE reservations (
    id       text     PRIMARY KEY,
    uid      text     NOT NULL REFERENCES tables,
    seat     smallint NOT NULL,
    player   bytea    NOT NULL CHECK (length(player) = 20),
    amount   bigint   NOT NULL CHECK (amount > 0),
    nonce    bigint   NOT NULL,
    permit   text     NOT NULL,
    top_up   boolean  NOT NULL,
    expiry_s bigint   NOT NULL,
    state    text     NOT NULL CHECK (state IN ('held', 'used', 'seated', 'released')),
    -- A permit is good for one reservation.
    UNIQUE (player, nonce)
);

-- Double entry: the postings of one ledger entry sum to zero.
CREATE TABLE ledger_entries (
    id   bigserial PRIMARY KEY,
    key  text NOT NULL UNIQUE,
    kind text NOT NULL,
    at   timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE postings (
    entry_id bigint NOT NULL REFERENCES ledger_entries,
    account  text   NOT NULL,
    amount   bigint NOT NULL CHECK (amount <> 0)
);
CREATE INDEX ON postings (account);
CREATE TABLE balances (
    account text   PRIMARY KEY,
    amount  bigint NOT NULL,
    CONSTRAINT not_overdrawn CHECK (amount >= 0 OR account = 'chain')
);

-- What tables read about their entries; ids rise.
CREATE TABLE notices (
    id       bigserial PRIMARY KEY,
    uid      text   NOT NULL REFERENCES tables,
    seq_from bigint NOT NULL,
    seq_to   bigint NOT NULL,
    state    text   NOT NULL CHECK (state IN ('submitted', 'confirmed', 'rejected')),
    tx_hash  text   NOT NULL
);
CREATE INDEX ON notices (uid, id);

CREATE TABLE cursors (
    name       text   PRIMARY KEY,
    block      bigint NOT NULL,
    block_hash bytea  NOT NULL
);

-- Which replica sends; every take-over raises the fence.
CREATE TABLE lease (
    name   text   PRIMARY KEY,
    holder text   NOT NULL,
    fence  bigint NOT NULL,
    until  timestamptz NOT NULL
);

CREATE TABLE vouchers (
    player   bytea  NOT NULL,
    nonce    bigint NOT NULL,
    amount   bigint NOT NULL,
    deadline bigint NOT NULL,
    signature text,
    state    text   NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'paid', 'released')),
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (player, nonce)
);

-- Who sits where, at final depth: whose the ledger's seat accounts are.
CREATE TABLE seat_owners (
    uid    text     NOT NULL REFERENCES tables,
    seat   smallint NOT NULL,
    player bytea    NOT NULL CHECK (length(player) = 20),
    PRIMARY KEY (uid, seat)
);
CREATE INDEX ON seat_owners (player);

-- The one chain and vault that this journal is about.
CREATE TABLE identity (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    chain_id bigint NOT NULL,
    vault    bytea  NOT NULL CHECK (length(vault) = 20)
);
