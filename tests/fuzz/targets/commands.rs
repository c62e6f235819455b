//! Sequences of mostly illegal commands: no panic, no chip lost, a refusal changes nothing, offered actions are
//! accepted, and a restored snapshot behaves like the table itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use purr_engine::{Action, Command, Refusal, Table};
use purr_fuzz::{Bytes, commands};

const COMMANDS_MAX: usize = 400;

fn check_offers(now: u64, table: &Table) {
    let Some(seat) = table.to_act() else { return };
    let legal = table.legal_actions(seat).expect("who is to act has legal actions");
    let mut offered = vec![Action::Fold];
    offered.extend(legal.check.then_some(Action::Check));
    offered.extend(legal.call.map(|_| Action::Call));
    offered.extend(legal.raise_to.map(|(min, _)| Action::RaiseTo(min)));
    offered.extend(legal.raise_to.map(|(_, max)| Action::RaiseTo(max)));
    for action in offered {
        let accepted = table.clone().apply(now, Command::Act { seat, action });
        assert!(
            matches!(accepted, Ok(_) | Err(Refusal::ClockPaused)),
            "{action:?} was offered: {accepted:?}"
        );
    }
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes::new(data);
    let Ok(mut table) = Table::new(commands::config(&mut bytes)) else {
        return;
    };
    let mut now = 0u64;
    for _ in 0..COMMANDS_MAX {
        if bytes.is_empty() {
            break;
        }
        now = now.saturating_add(bytes.short());
        let command = commands::command(&mut bytes, &table);
        let before = table.clone();
        match table.apply(now, command.clone()) {
            Ok(events) => {
                let snapshot = serde_json::to_string(&before).expect("a table can be written");
                let mut again: Table = serde_json::from_str(&snapshot).expect("and read");
                assert_eq!(again.apply(now, command).expect("the same input"), events);
                assert_eq!(again, table);
                check_offers(now, &table);
            }
            Err(refusal) => {
                assert!(!matches!(refusal, Refusal::NotConserved { .. }), "{command:?}: {refusal}");
                assert_eq!(table, before, "{command:?} was refused: {refusal}");
            }
        }
    }
});
