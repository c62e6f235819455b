-- Whoever publishes balances hears of each change as it is committed. The same account is told once a transaction.
CREATE FUNCTION tell_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('purr_balances', NEW.account);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_balance AFTER UPDATE OF amount ON balances FOR EACH ROW
    WHEN (NEW.account LIKE 'free:%' OR NEW.account LIKE 'reserved:%' OR NEW.account LIKE 'seat:%')
    EXECUTE FUNCTION tell_balance();
