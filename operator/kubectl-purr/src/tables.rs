//! One row a table.

use crate::{print::Row, why};
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
