-- What a seat's player bore of shortfalls as a winner: by so much the stack at the table is above the chain's.
ALTER TABLE seat_owners ADD COLUMN borne bigint NOT NULL DEFAULT 0 CHECK (borne >= 0);
