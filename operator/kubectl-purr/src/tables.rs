//! Rows of tables, one for each PokerTable.

use crate::{row::Row, why};
use purr_crds::PokerTable;

pub fn rows(tables: &[PokerTable]) -> Vec<Row> {
    let row = |table: &PokerTable| {
        let status = table.status.clone().unwrap_or_default();
        Row::new([
            ("name", table.metadata.name.clone().unwrap_or_default()),
            ("phase", format!("{:?}", status.phase)),
            ("players", format!("{}/{}", status.players, table.spec.seats)),
            ("hand", status.hand.to_string()),
            ("pod", status.pod.unwrap_or_default()),
            ("state", why::why(table)),
        ])
    };
    tables.iter().map(row).collect()
}

/// Players still seated at a draining table, by its last status. `None`: the controller has not seen the change yet. A
/// deleted table has none.
pub fn left(table: Option<&PokerTable>) -> Option<i32> {
    let Some(table) = table else { return Some(0) };
    let status = table.status.as_ref()?;
    let seen = status.observed_generation >= table.metadata.generation.unwrap_or_default();
    seen.then_some(status.players)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_is_empty_only_once_its_controller_has_seen_that_it_is_closed() {
        let mut table: PokerTable =
            serde_yaml::from_str(include_str!("../../../crds/examples/table.yaml")).unwrap();
        table.metadata.generation = Some(2);
        assert_eq!(left(Some(&table)), None);
        let mut left_at = |generation: i64, players: i32| {
            let status = json!({"observedGeneration": generation, "players": players});
            table.status = Some(serde_json::from_value(status).unwrap());
            left(Some(&table))
        };
        assert_eq!((left_at(1, 0), left_at(2, 3), left_at(2, 0)), (None, Some(3), Some(0)));
        assert_eq!(left(None), Some(0));
    }
}
