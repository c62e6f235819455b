-- What is left of the rake that a seat's permits allow, at final depth.
ALTER TABLE seat_owners ADD COLUMN rake_left bigint NOT NULL DEFAULT 0 CHECK (rake_left >= 0);
WITH seating AS (
    SELECT e.uid, e.seq, (e.payload::jsonb #>> '{body,seat}')::smallint AS seat, e.kind,
        (e.payload::jsonb #>> '{body,permit,maxTotalRake}')::numeric AS rake
    FROM entries e WHERE e.kind IN ('sit', 'topUp') AND e.state = 'confirmed'
), since AS (
    SELECT uid, seat, max(seq) AS seq FROM seating WHERE kind = 'sit' GROUP BY uid, seat
)
UPDATE seat_owners o SET rake_left = GREATEST(0, LEAST(9007199254740992, (
        SELECT COALESCE(sum(s.rake), 0) FROM seating s WHERE s.uid = o.uid AND s.seat = o.seat AND s.seq >= i.seq))
    - (SELECT COALESCE(sum((h.lanes::jsonb -> o.seat::text ->> 'rake')::numeric), 0) FROM entries h
        WHERE h.uid = o.uid AND h.seq > i.seq AND h.kind = 'hand' AND h.state = 'confirmed'))
FROM since i WHERE i.uid = o.uid AND i.seat = o.seat;

-- What the chain moved and the books cannot place may be below zero.
ALTER TABLE balances DROP CONSTRAINT not_overdrawn;
ALTER TABLE balances ADD CONSTRAINT not_overdrawn
    CHECK (amount >= 0 OR account = 'chain' OR account LIKE 'suspense:%');

-- A signed voucher whose chips an exit has taken: the chain still pays it until its deadline.
ALTER TABLE vouchers DROP CONSTRAINT vouchers_state_check;
ALTER TABLE vouchers ADD CONSTRAINT vouchers_state_check
    CHECK (state IN ('held', 'paid', 'uncovered', 'released'));
CREATE INDEX ON vouchers (player) WHERE state IN ('held', 'uncovered');
CREATE INDEX ON reservations (uid) WHERE state IN ('held', 'used');

-- Where books and chain differ: a table, a player or the house. Nothing is promised or paid there until both agree.
CREATE TABLE differing (
    subject text   PRIMARY KEY,
    why     text   NOT NULL,
    -- Up to which block the log was taken in when it began.
    block   bigint NOT NULL
);

-- The numbers of a table's sequence that may still touch a seat whose exit was asked for; never changes.
ALTER TABLE identity ADD COLUMN exit_sequences bigint CHECK (exit_sequences > 0);
