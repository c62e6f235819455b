-- What staff ordered at tables, append only. An order is here before its table hears of it; how it ended follows as a row
-- of its own that names the first one.
CREATE TABLE staff_acts (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The address of who ordered it.
    actor     bytea  NOT NULL CHECK (length(actor) = 20),
    act       text   NOT NULL CHECK (act IN ('pause', 'resume', 'done', 'failed')),
    table_uid text   NOT NULL,
    -- In their words; of 'failed': what went wrong.
    reason    text   NOT NULL CHECK (reason <> '' AND length(reason) <= 500),
    -- Of 'done' and 'failed': the order.
    order_id  bigint REFERENCES staff_acts,
    at        timestamptz NOT NULL DEFAULT now(),
    CHECK ((act IN ('pause', 'resume')) = (order_id IS NULL))
);
CREATE UNIQUE INDEX staff_acts_outcome ON staff_acts (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX staff_acts_table ON staff_acts (table_uid, id DESC);
