-- The deny list, append only: the last act about a player is what counts.
CREATE TABLE denial_acts (
    id      bigserial PRIMARY KEY,
    player  bytea   NOT NULL CHECK (length(player) = 20),
    act     text    NOT NULL CHECK (act IN ('denied', 'lifted')),
    -- Who decided it: an administrator's address, or the name of a program.
    actor   text    NOT NULL CHECK (actor <> ''),
    reason  text    NOT NULL CHECK (reason <> ''),
    -- Seconds since 1970; none: until it is lifted.
    until_s bigint  CHECK (until_s > 0),
    at_s    bigint  NOT NULL DEFAULT extract(epoch FROM now())::bigint
);
CREATE INDEX ON denial_acts (player, id DESC);
