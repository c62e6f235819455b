-- Amounts are minor units of the token; times are milliseconds since 1970.

-- One row a table: its lock keeps the order in which hands are counted.
CREATE TABLE tables (
    uid     text   PRIMARY KEY,
    highest bigint NOT NULL DEFAULT 0 CHECK (highest >= 0)
);

CREATE TABLE hands (
    id         bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_uid  text     NOT NULL REFERENCES tables,
    hand       bigint   NOT NULL CHECK (hand >= 1),
    hash       bytea    NOT NULL CHECK (length(hash) = 32),
    -- 0 is the record that came first; any other is in conflict with it.
    version    smallint NOT NULL CHECK (version >= 0),
    conflict   boolean  NOT NULL,
    epoch      bigint   NOT NULL,
    ended_ms   bigint   NOT NULL,
    void       boolean  NOT NULL,
    rake       bigint   NOT NULL CHECK (rake >= 0),
    -- The bytes that the hash is of: never changed, never sent as they are (they have a sealed part).
    record     bytea    NOT NULL,
    stored     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (table_uid, hand, hash),
    UNIQUE (table_uid, hand, version)
);
CREATE UNIQUE INDEX hands_first ON hands (table_uid, hand DESC) WHERE version = 0;

CREATE TABLE hand_players (
    hand_id bigint   NOT NULL REFERENCES hands,
    seat    smallint NOT NULL CHECK (seat BETWEEN 0 AND 9),
    player  bytea    NOT NULL CHECK (length(player) = 20),
    delta   bigint   NOT NULL,
    stack   bigint   NOT NULL CHECK (stack >= 0),
    PRIMARY KEY (hand_id, seat)
);
CREATE INDEX ON hand_players (player, hand_id DESC);

-- Numbers of a table, both ends included, of which no record has come though later ones have.
CREATE TABLE gaps (
    table_uid  text   NOT NULL REFERENCES tables,
    first_hand bigint NOT NULL,
    last_hand  bigint NOT NULL,
    noticed    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_uid, first_hand),
    CHECK (first_hand <= last_hand)
);

-- What came and is no record, as it came.
CREATE TABLE quarantine (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id text   NOT NULL,
    table_uid text   NOT NULL,
    hand      text   NOT NULL,
    hash      text   NOT NULL,
    record    bytea  NOT NULL,
    -- Of the whole record, which may have been cut.
    digest    bytea  NOT NULL,
    reason    text   NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (stream_id, digest)
);
