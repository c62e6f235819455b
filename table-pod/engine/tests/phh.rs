//! Hands written as PHH and read again, and hands of others reproduced to the chip.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

use common::{Game, config, player};
use purr_engine::{
    Action, Ante, Event, RakeCap, RakeConfig, SeatIndex, TableConfig,
    history::{HandHistory, SeatStart},
    phh::{Phh, PhhAction, PhhError},
};
use std::{env, fs, path::PathBuf};

const NO_RAKE: RakeConfig = RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true };

/// Plays a hand with these choices; the rest is checked or called.
fn play(config: TableConfig, stacks: &[u64], acts: &[Action]) -> HandHistory {
    let mut game = Game::new(config, stacks);
    let mut events = game.deal_cards("");
    let dealt_in = events.iter().find_map(|event| match event {
        Event::HandStarted { dealt_in, .. } => Some(dealt_in.clone()),
        _ => None,
    });
    let start = |seat: SeatIndex| SeatStart { seat, player: player(seat.0), stack: stacks[seat.index()] };
    let seats = dealt_in.unwrap().into_iter().map(start).collect();
    let mut acts = acts.iter();
    while let Some(seat) = game.table.to_act() {
        let otherwise = if game.legal(seat.0).check { Action::Check } else { Action::Call };
        events.extend(game.act(seat.0, *acts.next().unwrap_or(&otherwise)));
    }
    HandHistory { hand: 1, config: game.table.config().clone(), seats, events }
}

fn public(history: &HandHistory) -> HandHistory {
    HandHistory::public(history.hand, history.config.clone(), history.seats.clone(), &history.events)
}

fn games() -> Vec<HandHistory> {
    let raked = RakeConfig {
        basis_points: 500,
        caps: vec![RakeCap { players: 2, amount: 30 }],
        no_flop_no_drop: true,
    };
    vec![
        play(config(), &[100, 100], &[]),
        play(config(), &[100, 100, 100], &[Action::RaiseTo(30), Action::Fold, Action::Fold]),
        play(config(), &[40, 200, 120, 500], &[Action::RaiseTo(500)]),
        play(TableConfig { ante: Ante::Each(2), ..config() }, &[100, 100, 80], &[]),
        play(TableConfig { ante: Ante::BigBlind(10), ..config() }, &[100, 100, 80], &[Action::RaiseTo(40)]),
        play(TableConfig { ante: Ante::BigBlind(10), ..config() }, &[100, 90], &[]),
        play(TableConfig { rake: raked, ..config() }, &[300, 300, 300], &[Action::RaiseTo(50)]),
        play(config(), &[100, 7, 100], &[]),
    ]
}

#[test]
fn a_hand_written_as_phh_is_read_as_the_same_hand() {
    for history in games() {
        for told in [public(&history), history] {
            let text = told.to_phh().unwrap();
            assert_eq!(Phh::parse(&text).unwrap(), Phh::from_history(&told), "{text}");
        }
    }
}

#[test]
fn a_replayed_hand_ends_with_the_same_stacks_and_tells_the_same() {
    for history in games() {
        let phh = Phh::parse(&history.to_phh().unwrap()).unwrap();
        let replay = phh.replay(history.config.rake.clone()).unwrap();
        assert_eq!(Some(&replay.finishing_stacks), phh.finishing_stacks.as_ref());
        let again = Phh::from_history(&replay.history);
        assert_eq!(again.actions, phh.actions);
        assert_eq!(
            (again.antes, again.blinds_or_straddles, again.rake),
            (phh.antes, phh.blinds_or_straddles, phh.rake)
        );
    }
}

#[test]
fn a_public_hand_tells_no_card_that_was_not_shown() {
    let history = play(config(), &[100, 100, 100], &[Action::RaiseTo(30), Action::Fold, Action::Fold]);
    let text = public(&history).to_phh().unwrap();
    for seat in 1..=3 {
        assert!(text.contains(&format!("d dh p{seat} ????")), "{text}");
    }
    assert!(!text.contains(" sm "), "nobody shows an uncontested hand");
}

#[test]
fn only_the_same_ante_of_everybody_is_trimmed() {
    let big_blind = play(TableConfig { ante: Ante::BigBlind(10), ..config() }, &[100, 100, 80], &[]);
    let phh = Phh::from_history(&big_blind);
    assert_eq!((phh.antes, phh.ante_trimming_status), (vec![0, 10, 0], false));
    let each = play(TableConfig { ante: Ante::Each(2), ..config() }, &[100, 100, 80], &[]);
    let phh = Phh::from_history(&each);
    assert_eq!((phh.antes, phh.ante_trimming_status), (vec![2, 2, 2], true));
}

#[test]
fn what_cannot_be_replayed_is_refused_by_name() {
    let good = Phh::from_history(&play(config(), &[100, 100], &[]));
    let refused = |change: fn(&mut Phh)| {
        let mut phh = good.clone();
        change(&mut phh);
        phh.replay(NO_RAKE).unwrap_err()
    };
    assert!(matches!(refused(|phh| phh.variant = "FT".into()), PhhError::Variant(_)));
    assert!(matches!(refused(|phh| phh.antes = vec![0]), PhhError::Length { field: "antes", .. }));
    assert!(matches!(refused(|phh| phh.blinds_or_straddles = vec![0, 10]), PhhError::Config(_)));
    assert!(matches!(refused(|phh| phh.actions.truncate(3)), PhhError::Unfinished));
    // A shown hand is told twice; without both it is not known.
    let hide = |phh: &mut Phh| {
        phh.actions
            .retain(|action| !matches!(action, PhhAction::Hole { player: 1, .. } | PhhAction::Show { .. }));
    };
    assert_eq!(refused(hide), PhhError::HiddenCards(1));
    let twice = |phh: &mut Phh| phh.actions.push("p1 sm AsAs".parse().unwrap());
    assert!(matches!(refused(twice), PhhError::Cards(_)));
    assert!(matches!(refused(|phh| phh.actions.push("p1 f".parse().unwrap())), PhhError::AfterTheEnd(_)));
    assert!(matches!(refused(|phh| phh.actions[2] = "p1 cbr 11".parse().unwrap()), PhhError::Refused { .. }));
    assert!(matches!(refused(|phh| phh.actions[2] = "p9 f".parse().unwrap()), PhhError::NoSuchPlayer(9)));
    assert!(matches!(Phh::parse(&" ".repeat(2 << 20)), Err(PhhError::TooLong(_))));
    assert!(matches!(Phh::parse("variant = 'NT'"), Err(PhhError::Syntax(_))));
}

/// Hands of others are not committed: they lie beside the repository, or where PURR_PHH_DIR says.
fn samples() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/phh");
    let dir = env::var_os("PURR_PHH_DIR").map_or_else(beside, PathBuf::from);
    if dir.is_dir() {
        return Some(dir);
    }
    assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{} is missing", dir.display());
    eprintln!("SKIPPED: no sample hands in {}", dir.display());
    None
}

#[test]
fn hands_of_others_end_with_the_stacks_that_they_ended_with() {
    let Some(dir) = samples() else { return };
    let mut hands = 0;
    for file in fs::read_dir(dir).unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "phhs") {
            continue;
        }
        let name = file.display();
        for (key, phh) in Phh::parse_many(&fs::read_to_string(&file).unwrap()).unwrap() {
            let replay = phh.replay(NO_RAKE).unwrap_or_else(|error| panic!("{name} [{key}]: {error}"));
            assert_eq!(Some(&replay.finishing_stacks), phh.finishing_stacks.as_ref(), "{name} [{key}]");
            assert_eq!(Phh::parse(&phh.to_text().unwrap()).unwrap(), phh);
            hands += 1;
        }
    }
    assert!(hands > 0, "no hand was found");
    eprintln!("{hands} hands reproduced");
}
