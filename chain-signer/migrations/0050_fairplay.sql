-- Holds of vouchers, append only: the last act about a player is what counts.
CREATE TABLE voucher_hold_acts (
    id     bigserial PRIMARY KEY,
    player bytea   NOT NULL CHECK (length(player) = 20),
    hold   boolean NOT NULL,
    actor  text    NOT NULL CHECK (actor <> ''),
    reason text    NOT NULL CHECK (reason <> ''),
    at_s   bigint  NOT NULL DEFAULT extract(epoch FROM now())::bigint
);
CREATE INDEX ON voucher_hold_acts (player, id DESC);

-- To whom the house's reserve was paid, in the transaction of the ledger entry of the same key. Payments of before this
-- migration are in the ledger alone.
CREATE TABLE house_payments (
    id     bigserial PRIMARY KEY,
    key    text   NOT NULL UNIQUE,
    player bytea  NOT NULL CHECK (length(player) = 20),
    amount bigint NOT NULL CHECK (amount > 0),
    tx     bytea  NOT NULL CHECK (length(tx) = 32)
);
