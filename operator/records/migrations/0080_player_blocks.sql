-- Sums of player_counters over blocks of 32 days (block = day >> 5), so that a player's figures over years add few rows.
SET LOCAL statement_timeout = 0;
CREATE TABLE player_blocks (
    player      bytea    NOT NULL CHECK (length(player) = 20),
    block       integer  NOT NULL,
    small_blind bigint   NOT NULL,
    big_blind   bigint   NOT NULL,
    dealt_in    smallint NOT NULL,
    position    smallint NOT NULL,
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
    PRIMARY KEY (player, block, small_blind, big_blind, dealt_in, position)
);

-- Each block of a player that has counters. The sums hold where it is summed; else the days are added themselves.
CREATE TABLE player_blocks_summed (
    player bytea   NOT NULL CHECK (length(player) = 20),
    block  integer NOT NULL,
    summed boolean NOT NULL,
    PRIMARY KEY (player, block)
);
CREATE INDEX player_blocks_due ON player_blocks_summed (block DESC) WHERE NOT summed;

-- Every change of counters, of whatever release, says that a block is not summed. It locks the block's row until its
-- transaction ends, whether that changes or not: who sums the block waits for it, or is told afterwards.
CREATE FUNCTION player_blocks_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO player_blocks_summed AS s (player, block, summed)
    SELECT DISTINCT player, day >> 5, false FROM changed ORDER BY 1, 2
    ON CONFLICT (player, block) DO UPDATE SET summed = false WHERE s.summed;
    RETURN NULL;
END
$$;
CREATE TRIGGER player_blocks_insert AFTER INSERT ON player_counters REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION player_blocks_change();
CREATE TRIGGER player_blocks_update AFTER UPDATE ON player_counters REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION player_blocks_change();
CREATE TRIGGER player_blocks_delete AFTER DELETE ON player_counters REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION player_blocks_change();
-- The triggers' locks keep counters as they are until this has committed.
INSERT INTO player_blocks_summed (player, block, summed) SELECT DISTINCT player, day >> 5, false FROM player_counters;
