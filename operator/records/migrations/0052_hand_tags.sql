-- A player's own words for own hands. Nobody else sees them.
CREATE TABLE hand_tags (
    player  bytea  NOT NULL CHECK (length(player) = 20),
    hand_id bigint NOT NULL REFERENCES hands,
    tag     text   NOT NULL CHECK (length(tag) BETWEEN 1 AND 32),
    PRIMARY KEY (player, tag, hand_id)
);
CREATE INDEX hand_tags_hand ON hand_tags (player, hand_id);
