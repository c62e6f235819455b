-- What a table did in an hour of UTC: one row for each table and hour with hands, written in the transaction of the hand.
-- Only sums; void hands and hands in conflict do not count.
CREATE TABLE table_hours (
    table_uid   text     NOT NULL,
    -- Hours since 1970.
    hour        integer  NOT NULL,
    small_blind bigint   NOT NULL,
    big_blind   bigint   NOT NULL,
    hands       bigint   NOT NULL,
    -- All pots before rake, and rake, in minor units.
    pot         numeric(40) NOT NULL,
    rake        numeric(40) NOT NULL,
    -- Players dealt in, hands that had a flop, and players who saw it.
    dealt_in    bigint   NOT NULL,
    flops       bigint   NOT NULL,
    saw_flop    bigint   NOT NULL,
    PRIMARY KEY (table_uid, hour, small_blind, big_blind)
);
CREATE INDEX table_hours_hour ON table_hours (hour);
