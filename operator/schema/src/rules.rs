//! Rules for migrations that keep the previous release working.

use sqlx::migrate::Migrator;

/// Keywords of statements that remove something which an earlier release may use.
const TAKES_AWAY: [&str; 9] = [
    "DROP TABLE",
    "DROP VIEW",
    "DROP SCHEMA",
    "DROP SEQUENCE",
    "DROP FUNCTION",
    "DROP COLUMN",
    "DROP DEFAULT",
    "SET NOT NULL",
    " RENAME ",
];

/// The migrations that take something away from earlier releases and do not declare it in `breaking_migrations`.
#[must_use]
pub fn undeclared(known: &Migrator) -> Vec<i64> {
    let breaks = |sql: &str, version: i64| {
        let statements = statements(sql);
        let declaration = format!("INSERT INTO BREAKING_MIGRATIONS VALUES ({version})");
        statements.iter().any(|statement| takes_away(statement)) && !statements.contains(&declaration)
    };
    let up = known.iter().filter(|migration| !migration.migration_type.is_down_migration());
    up.filter(|one| breaks(one.sql.as_str(), one.version)).map(|one| one.version).collect()
}

/// Statements without comments, in capitals, with single spaces.
fn statements(sql: &str) -> Vec<String> {
    let code: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let of =
        |statement: &str| statement.split_whitespace().map(str::to_uppercase).collect::<Vec<_>>().join(" ");
    code.join("\n").split(';').map(of).filter(|statement| !statement.is_empty()).collect()
}

fn takes_away(statement: &str) -> bool {
    let is_alter = statement.starts_with("ALTER ");
    let words = |word: &&str| statement.contains(*word) && (is_alter || word.starts_with("DROP "));
    if TAKES_AWAY.iter().any(words) {
        return true;
    }
    let mut altered = statement.split("ALTER COLUMN ").skip(1).map(|rest| rest.split(' ').skip(1));
    if altered.any(|mut words| matches!(words.next(), Some("TYPE")) || words.next() == Some("DATA")) {
        return true;
    }
    // Earlier releases do not name the column when they insert a row.
    let mut added = statement.split("ADD COLUMN ").skip(1);
    is_alter && added.any(|column| column.contains("NOT NULL") && !column.contains("DEFAULT"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{
        AssertSqlSafe, SqlSafeStr as _,
        migrate::{Migration, MigrationType},
    };

    fn of(sql: &str) -> Vec<i64> {
        let sql = AssertSqlSafe(sql.to_owned()).into_sql_str();
        let one = Migration::new(120, "one".into(), MigrationType::Simple, sql, false);
        undeclared(&Migrator::with_migrations(vec![one]))
    }

    #[test]
    fn a_migration_that_takes_something_away_has_to_declare_it() {
        for sql in [
            "DROP TABLE hands",
            "ALTER TABLE hands\n  drop column record",
            "ALTER TABLE hands RENAME COLUMN a TO b",
            "ALTER TABLE hands RENAME TO games",
            "ALTER TABLE hands ALTER COLUMN a TYPE bigint",
            "ALTER TABLE hands ALTER COLUMN a SET DATA TYPE bigint",
            "ALTER TABLE hands ALTER COLUMN a SET NOT NULL",
            "ALTER TABLE hands ALTER COLUMN a DROP DEFAULT",
            "ALTER TABLE hands ADD COLUMN a bigint NOT NULL DEFAULT 0, ADD COLUMN b bigint NOT NULL",
            "CREATE TABLE a (b bigint); DROP VIEW c",
        ] {
            assert_eq!(of(sql), [120], "{sql}");
            let other = format!("{sql}; INSERT INTO breaking_migrations VALUES (119)");
            assert_eq!(of(&other), [120], "another number");
            assert!(of(&format!("{sql};\ninsert into breaking_migrations\nVALUES (120);")).is_empty());
        }
    }

    #[test]
    fn a_migration_that_adds_or_widens_declares_nothing() {
        for sql in [
            "CREATE TABLE a (type text NOT NULL)",
            "CREATE TYPE a AS ENUM ('b')",
            "ALTER TABLE hands ADD COLUMN a bigint NOT NULL DEFAULT 0",
            "ALTER TABLE hands ADD COLUMN a bigint",
            "ALTER TABLE hands ADD COLUMN type text",
            "ALTER TABLE hands ALTER COLUMN a DROP NOT NULL",
            "ALTER TABLE hands DROP CONSTRAINT a; ALTER TABLE hands ADD CONSTRAINT a CHECK (b > 0)",
            "-- DROP TABLE hands\nCREATE INDEX a ON hands (b)",
            "DROP INDEX a",
        ] {
            assert!(of(sql).is_empty(), "{sql}");
        }
    }
}
