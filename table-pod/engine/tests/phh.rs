//! Hands written as PHH and read again, and hands of others reproduced to the chip.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

use common::{Game, config, player};
use purr_engine::{
    Action, Ante, Event, RakeCap, RakeConfig, SeatIndex, TableConfig,
    history::{HandHistory, SeatStart},
    phh::{self, Amount, Phh, Replayer, Verdict},
};
use std::{env, fs, path::PathBuf};

/// Plays a hand with these choices; the rest is checked or called.
fn play(config: TableConfig, stacks: &[u64], acts: &[Action]) -> HandHistory {
    let mut game = Game::new(config, stacks);
    let mut events = game.deal_cards("");
    let dealt_in = events.iter().find_map(|event| match event {
        Event::HandStarted { dealt_in, .. } => Some(dealt_in.to_vec()),
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
        assert_eq!(replay.played.compare(&phh).verdict, Verdict::Exact);
        let again = Phh::from_history(&replay.history);
        assert_eq!(again.actions, phh.actions);
        assert_eq!(
            (&again.antes, &again.blinds_or_straddles, again.field("_rake")),
            (&phh.antes, &phh.blinds_or_straddles, phh.field("_rake"))
        );
        assert_eq!(again.finishing_stacks, phh.finishing_stacks);
    }
}

#[test]
fn a_raked_hand_replayed_without_rake_is_said_to_be_raked_by_as_much_as_it_tells() {
    let history = games().into_iter().find(|history| history.config.rake.basis_points > 0).unwrap();
    let mut phh = Phh::from_history(&history);
    let outcome = Replayer::new().outcome(&phh).unwrap();
    assert_eq!(outcome.verdict, Verdict::Rake);
    assert_eq!(phh.field("_rake").unwrap().integer(), Some(i64::try_from(outcome.missing).unwrap()));
    // A stated rake that does not explain what is missing does not count.
    for (name, value) in &mut phh.fields {
        if name == "_rake" {
            *value = phh::Value::Number("1".into());
        }
    }
    assert_eq!(Replayer::new().outcome(&phh).unwrap().verdict, Verdict::Mismatch);
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
    let amounts = |amounts: &[u64]| amounts.iter().copied().map(Amount::whole).collect::<Vec<_>>();
    let big_blind = play(TableConfig { ante: Ante::BigBlind(10), ..config() }, &[100, 100, 80], &[]);
    let phh = Phh::from_history(&big_blind);
    assert_eq!((phh.antes, phh.ante_trimming_status), (amounts(&[0, 10, 0]), false));
    let each = play(TableConfig { ante: Ante::Each(2), ..config() }, &[100, 100, 80], &[]);
    let phh = Phh::from_history(&each);
    assert_eq!((phh.antes, phh.ante_trimming_status), (amounts(&[2, 2, 2]), true));
    // Heads-up the notation names the small blind first, the last player's, and so with antes.
    let heads_up = play(TableConfig { ante: Ante::BigBlind(10), ..config() }, &[100, 90], &[]);
    let phh = Phh::from_history(&heads_up);
    assert_eq!((phh.antes, phh.blinds_or_straddles), (amounts(&[0, 10]), amounts(&[5, 10])));
}

#[test]
fn a_hand_run_twice_is_written_with_both_boards_and_replayed_with_both() {
    let mut game = Game::new(TableConfig { run_it_twice: true, ..config() }, &[100, 100, 300]);
    let mut events = game.deal_cards("");
    for act in [Action::RaiseTo(100), Action::Call, Action::Call] {
        let seat = game.table.to_act().unwrap();
        events.extend(game.act(seat.0, act));
    }
    for seat in game.table.asked_twice() {
        events.extend(game.apply(purr_engine::Command::RunItTwice { seat, agree: true }));
    }
    assert!(!game.hand_running());
    let dealt_in = events.iter().find_map(|event| match event {
        Event::HandStarted { dealt_in, .. } => Some(dealt_in.to_vec()),
        _ => None,
    });
    let stacks = [100, 100, 300];
    let start = |seat: SeatIndex| SeatStart { seat, player: player(seat.0), stack: stacks[seat.index()] };
    let seats = dealt_in.unwrap().into_iter().map(start).collect();
    let history = HandHistory { hand: 1, config: game.table.config().clone(), seats, events };
    let text = history.to_phh().unwrap();
    assert_eq!(text.matches("d db ").count(), 6, "{text}");
    let phh = Phh::parse(&text).unwrap();
    assert_eq!(Replayer::new().outcome(&phh).unwrap().verdict, Verdict::Exact, "{text}");
}

/// Hands of other rooms are not in the repository: they are beside it, or where PURR_PHH_DIR points.
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
    let mut replayer = Replayer::new();
    for file in fs::read_dir(dir).unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "phhs") {
            continue;
        }
        let name = file.display();
        let text = fs::read_to_string(&file).unwrap();
        let entries = phh::read(&text).unwrap();
        // Both readers, and the re-read output, agree.
        assert_eq!(phh::read_fast(&text).as_ref(), Some(&entries));
        let mut chunks = phh::Chunks::new(&text);
        let chunks = std::iter::from_fn(|| Some(chunks.next(100).unwrap()).filter(|chunk| !chunk.is_empty()));
        assert_eq!(chunks.flatten().collect::<Vec<_>>(), entries);
        assert_eq!(phh::read_as_toml(&text).as_ref(), Ok(&entries));
        let whole = entries.iter().map(|entry| (entry.name.as_str(), entry.hand.as_ref().unwrap()));
        let again = phh::read(&phh::write_all(whole)).unwrap();
        assert_eq!(again.len(), entries.len());
        for (entry, again) in entries.iter().zip(&again) {
            let at = format!("{name} [{}] of line {}", entry.name, entry.line);
            let hand = entry.hand.as_ref().unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!((&entry.name, &entry.hand), (&again.name, &again.hand), "{at}");
            let outcome = replayer.outcome(hand).unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!(outcome.verdict, Verdict::Exact, "{at}: {outcome:?}");
            hands += 1;
        }
    }
    assert!(hands > 0, "no hand was found");
    eprintln!("{hands} hands reproduced");
}
