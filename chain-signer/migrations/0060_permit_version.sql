-- The type of permits that the vault takes, as it says itself; NULL: from before vaults said so, which is 1.
ALTER TABLE identity ADD COLUMN permit_version smallint CHECK (permit_version > 0);
