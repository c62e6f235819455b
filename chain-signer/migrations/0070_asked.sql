-- Before each signature what is signed is made again from what was asked for, and compared with the rows of the hash
-- chain: those have to be found by what they are about.
CREATE INDEX journal_entry ON journal ((body::jsonb ->> 'uid'), ((body::jsonb ->> 'seq')::bigint))
    WHERE kind = 'entry';
CREATE INDEX journal_table ON journal ((body::jsonb ->> 'uid')) WHERE kind = 'table';
CREATE INDEX journal_transaction ON journal (((body::jsonb ->> 'tx')::bigint), id)
    WHERE kind IN ('checked', 'replace', 'filled');
