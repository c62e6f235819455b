-- Of a seat that an exit emptied: what it would hold had it stayed, as the contract counts its late hands.
ALTER TABLE seat_owners ADD COLUMN vacated bigint;
