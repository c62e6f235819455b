-- Bodies leave the index of hands for partitions by day; counts of every player come beside them. Nothing here rewrites a
-- table: the bodies that are there are moved by the program while it serves.

CREATE TABLE hand_bodies (
    -- When the hand ended, in days since 1970 (UTC).
    day     integer NOT NULL,
    hand_id bigint  NOT NULL,
    -- The bytes that the hash is of: never changed, never sent as they are.
    record  bytea   NOT NULL,
    PRIMARY KEY (day, hand_id)
) PARTITION BY RANGE (day);

-- A null record is in hand_bodies.
ALTER TABLE hands ALTER COLUMN record DROP NOT NULL;
-- Whether player_counters has what this hand says; always so for what counts nothing (void, in conflict).
ALTER TABLE hands ADD COLUMN counted boolean NOT NULL DEFAULT false;
-- All pots together, before rake; null in rows of the release before.
ALTER TABLE hands ADD COLUMN pot bigint;
CREATE INDEX hands_uncounted ON hands (id) WHERE NOT counted;
CREATE INDEX hands_unmoved ON hands (id) WHERE record IS NOT NULL;

-- Hole cards as everybody saw them, low number first (rank * 4 + suit); null where they were not shown.
ALTER TABLE hand_players ADD COLUMN low smallint, ADD COLUMN high smallint;
CREATE INDEX hand_players_shown ON hand_players (player, low, high, hand_id DESC) WHERE low IS NOT NULL;

-- What is counted of a player: one row for each day, stakes, number of players dealt in, and position. Only sums.
CREATE TABLE player_counters (
    player      bytea    NOT NULL CHECK (length(player) = 20),
    day         integer  NOT NULL,
    small_blind bigint   NOT NULL,
    big_blind   bigint   NOT NULL,
    dealt_in    smallint NOT NULL CHECK (dealt_in BETWEEN 2 AND 10),
    position    smallint NOT NULL CHECK (position BETWEEN 0 AND 9),
    hands bigint NOT NULL,
    walks bigint NOT NULL,
    vpip bigint NOT NULL,
    pfr bigint NOT NULL,
    pfr_of bigint NOT NULL,
    three_bet bigint NOT NULL,
    three_bet_of bigint NOT NULL,
    four_bet bigint NOT NULL,
    four_bet_of bigint NOT NULL,
    open_fold_three_bet bigint NOT NULL,
    open_fold_three_bet_of bigint NOT NULL,
    fold_three_bet bigint NOT NULL,
    fold_three_bet_of bigint NOT NULL,
    steal bigint NOT NULL,
    steal_of bigint NOT NULL,
    fold_steal bigint NOT NULL,
    fold_steal_of bigint NOT NULL,
    cbet_flop bigint NOT NULL,
    cbet_flop_of bigint NOT NULL,
    cbet_turn bigint NOT NULL,
    cbet_turn_of bigint NOT NULL,
    cbet_river bigint NOT NULL,
    cbet_river_of bigint NOT NULL,
    fold_cbet_flop bigint NOT NULL,
    fold_cbet_flop_of bigint NOT NULL,
    fold_cbet_turn bigint NOT NULL,
    fold_cbet_turn_of bigint NOT NULL,
    fold_cbet_river bigint NOT NULL,
    fold_cbet_river_of bigint NOT NULL,
    check_raise bigint NOT NULL,
    check_raise_of bigint NOT NULL,
    aggressive bigint NOT NULL,
    calls bigint NOT NULL,
    folds bigint NOT NULL,
    saw_flop bigint NOT NULL,
    showdowns bigint NOT NULL,
    won_showdown bigint NOT NULL,
    won_saw_flop bigint NOT NULL,
    all_in_hands bigint NOT NULL,
    all_in_unknown bigint NOT NULL,
    rake bigint NOT NULL,
    won bigint NOT NULL,
    won_before_rake bigint NOT NULL,
    adjusted bigint NOT NULL,
    won_sq numeric(60) NOT NULL,
    won_before_rake_sq numeric(60) NOT NULL,
    adjusted_sq numeric(60) NOT NULL,
    PRIMARY KEY (player, day, small_blind, big_blind, dealt_in, position)
);

CREATE TABLE statistics (
    single       boolean PRIMARY KEY DEFAULT true CHECK (single),
    -- Of the definitions that the counters follow.
    version      integer NOT NULL,
    -- First day whose bodies are still here: what is older can be counted no more.
    bodies_from  integer NOT NULL DEFAULT 0
);
INSERT INTO statistics (version) VALUES (1);
