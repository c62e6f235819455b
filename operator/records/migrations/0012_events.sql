-- Events as transactions write them, in no order that a reader could follow: one may commit after a later number.
CREATE TABLE event_inbox (
    id      bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Names the event for ever: consumers tell repetitions by it.
    key     text     NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    kind    text     NOT NULL,
    version smallint NOT NULL,
    at_ms   bigint   NOT NULL,
    data    jsonb    NOT NULL
);

-- The stream. One writer at a time gives positions to what has committed, so that none appears below one that was read.
CREATE SEQUENCE events_position;
CREATE TABLE events (
    -- Of the publication, in days since 1970 (UTC).
    day      integer  NOT NULL,
    position bigint   NOT NULL,
    key      text     NOT NULL,
    kind     text     NOT NULL,
    version  smallint NOT NULL,
    at_ms    bigint   NOT NULL,
    data     jsonb    NOT NULL,
    PRIMARY KEY (position, day)
) PARTITION BY RANGE (day);
