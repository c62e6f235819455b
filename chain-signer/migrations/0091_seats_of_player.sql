-- Whether a player has a seat anywhere is asked at each reservation of one with limits.
CREATE INDEX ON seats (player);
