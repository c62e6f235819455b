-- Players who asked to be forgotten: under a name instead of their address, and counted no more.
CREATE TABLE erased (
    player bytea NOT NULL PRIMARY KEY CHECK (length(player) = 20),
    at     timestamptz NOT NULL DEFAULT now()
);
