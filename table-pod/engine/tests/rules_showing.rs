//! Showing by choice: which players are asked, and what the answer changes (WSOP 145).
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

mod common;
use common::{Game, config, player};
use purr_engine::{
    Action, Command, Event, Refusal, SeatIndex, ShowWish, Table, config::SHOW_MS, history::HandHistory,
};

const CALL: Action = Action::Call;
const CHECK: Action = Action::Check;
const FOLD: Action = Action::Fold;

fn told(events: &[Event]) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::Shown { seat, .. } => Some(format!("{seat} shows")),
        Event::Mucked { seat } => Some(format!("{seat} mucks")),
        Event::ShowAsked { seats, .. } => {
            Some(format!("asks {}", seats.iter().map(|seat| seat.0.to_string()).collect::<String>()))
        }
        Event::HandEnded(_) => Some("ends".into()),
        _ => None,
    };
    events.iter().filter_map(line).collect()
}

fn wish(game: &mut Game, seat: u8, wish: ShowWish) {
    assert_eq!(game.apply(Command::WishShow { seat: SeatIndex(seat), wish }), []);
}

fn show(game: &mut Game, seat: u8, show: bool) -> Vec<Event> {
    game.apply(Command::Show { seat: SeatIndex(seat), show })
}

/// A showdown in which seat 1 has aces, 2 kings and 0 queens; gives the events of its last action.
fn showdown(wishes: &[(u8, ShowWish)]) -> (Game, Vec<Event>) {
    let mut game = Game::new(config(), &[1_000; 3]);
    wishes.iter().for_each(|(seat, of)| wish(&mut game, *seat, *of));
    game.deal_cards("As Ks Qs Ah Kh Qh 2c 7d 8h 3s 4d");
    game.act(0, CALL);
    game.act(1, CALL);
    game.act(2, CHECK);
    let events = game.check_down();
    (game, events)
}

#[test]
fn a_beaten_hand_is_mucked_unless_its_player_wishes_otherwise() {
    let (plain, events) = showdown(&[]);
    assert_eq!(told(&events), ["1 shows", "2 mucks", "0 mucks", "ends"]);
    let (game, events) = showdown(&[(0, ShowWish::Show)]);
    assert_eq!(told(&events), ["1 shows", "2 mucks", "0 shows", "ends"]);
    assert_eq!(game.stacks(), plain.stacks());
}

#[test]
fn who_wishes_to_be_asked_is_asked_and_the_pots_are_paid_with_the_last_answer() {
    let (mut game, events) = showdown(&[(0, ShowWish::Ask), (2, ShowWish::Ask)]);
    assert_eq!(told(&events), ["1 shows", "asks 20"]);
    assert_eq!(game.table.pot(), 30);
    let up: Vec<SeatIndex> = game.table.face_up().iter().collect();
    assert_eq!(up, [SeatIndex(1)]);
    let unasked = Command::Show { seat: SeatIndex(1), show: true };
    assert_eq!(game.table.apply(0, unasked), Err(Refusal::NotAskedToShow(SeatIndex(1))));
    assert_eq!(told(&show(&mut game, 0, true)), ["0 shows"]);
    let again = Command::Show { seat: SeatIndex(0), show: false };
    assert_eq!(game.table.apply(0, again), Err(Refusal::NotAskedToShow(SeatIndex(0))));
    assert_eq!(told(&show(&mut game, 2, false)), ["2 mucks", "ends"]);
    assert_eq!(game.stacks(), [990, 1_020, 990]);
}

#[test]
fn the_winner_of_a_hand_that_nobody_called_may_show_it_and_else_nothing_is_said_of_it() {
    let won = |of: ShowWish| {
        let mut game = Game::new(config(), &[1_000; 3]);
        wish(&mut game, 2, of);
        game.deal();
        game.act(0, FOLD);
        let events = game.act(1, FOLD);
        (game, events)
    };
    assert_eq!(told(&won(ShowWish::Muck).1), ["ends"]);
    assert_eq!(told(&won(ShowWish::Show).1), ["2 shows", "ends"]);
    for (says, expected) in [(true, vec!["2 shows", "ends"]), (false, vec!["ends"])] {
        let (mut game, events) = won(ShowWish::Ask);
        assert_eq!(told(&events), ["asks 2"]);
        assert_eq!(told(&show(&mut game, 2, says)), expected);
        assert_eq!(game.stacks(), [1_000, 995, 1_005]);
    }
}

#[test]
fn who_does_not_answer_in_time_mucks() {
    let (mut game, events) = showdown(&[(0, ShowWish::Ask)]);
    assert_eq!(told(&events), ["1 shows", "2 mucks", "asks 0"]);
    assert_eq!(game.table.next_deadline(), Some(SHOW_MS));
    assert_eq!(game.table.apply(SHOW_MS - 1, Command::Tick), Ok(vec![]));
    assert_eq!(told(&game.table.apply(SHOW_MS, Command::Tick).unwrap()), ["0 mucks", "ends"]);
}

#[test]
fn nobody_waits_for_who_is_away_or_leaves() {
    let away = |command: Command| {
        let mut game = Game::new(config(), &[1_000; 3]);
        wish(&mut game, 0, ShowWish::Ask);
        game.deal_cards("As Ks Qs Ah Kh Qh 2c 7d 8h 3s 4d");
        game.act(0, CALL);
        game.act(1, CALL);
        game.act(2, CHECK);
        game.apply(command);
        told(&game.check_down())
    };
    assert_eq!(away(Command::Disconnected { seat: SeatIndex(0) })[2..], ["0 mucks", "ends"]);
    let (mut game, _) = showdown(&[(0, ShowWish::Ask)]);
    assert_eq!(told(&game.apply(Command::Leave { seat: SeatIndex(0) })), ["0 mucks", "ends"]);
}

/// WSOP 145, last sentence: no choice where the betting was over before the river.
#[test]
fn nobody_is_asked_where_every_hand_is_turned_up() {
    let mut game = Game::new(config(), &[1_000; 2]);
    wish(&mut game, 0, ShowWish::Ask);
    wish(&mut game, 1, ShowWish::Ask);
    game.deal();
    game.act(0, Action::RaiseTo(1_000));
    let events = told(&game.act(1, CALL));
    assert!(events.iter().filter(|line| line.ends_with("shows")).count() == 2, "{events:?}");
    assert!(!events.iter().any(|line| line.starts_with("asks")), "{events:?}");
}

#[test]
fn a_pause_and_a_take_over_leave_the_question_its_time_and_a_void_hand_gives_every_bet_back() {
    let (mut game, _) = showdown(&[(0, ShowWish::Ask)]);
    game.table.apply(1_000, Command::PauseClock).unwrap();
    assert_eq!(game.table.next_deadline(), None);
    let answer = Command::Show { seat: SeatIndex(0), show: true };
    assert_eq!(game.table.apply(1_000, answer.clone()), Err(Refusal::ClockPaused));
    let events = game.table.apply(9_000, Command::ResumeClock).unwrap();
    assert_eq!(told(&events), ["asks 0"]);
    assert_eq!(game.table.next_deadline(), Some(SHOW_MS + 8_000));
    // Another process has another clock.
    let mut next: Table = serde_json::from_str(&serde_json::to_string(&game.table).unwrap()).unwrap();
    assert_eq!(told(&next.apply(5, Command::RestartClock).unwrap()), ["asks 0"]);
    assert_eq!(next.next_deadline(), Some(SHOW_MS + 5));
    let mut void = next.clone();
    void.apply(5, Command::VoidHand).unwrap();
    assert!(void.seats().iter().flatten().all(|seat| seat.stack == 1_000));
    assert_eq!(told(&next.apply(5, answer).unwrap()), ["0 shows", "ends"]);
}

/// A table of the previous release knows neither wish nor question: it reads the state, asks nobody, and ends the hand
/// in time.
#[test]
fn a_state_without_wishes_is_read_and_one_that_waits_has_a_deadline_that_earlier_releases_know() {
    let (game, _) = showdown(&[(0, ShowWish::Ask)]);
    let mut written = serde_json::to_value(&game.table).unwrap();
    assert!(written["hand"].as_object_mut().unwrap().remove("showing").is_some());
    for seat in written["seats"].as_array_mut().unwrap() {
        seat.as_object_mut().map(|seat| seat.remove("show"));
    }
    let mut before: Table = serde_json::from_value(written).unwrap();
    assert_eq!(before.next_deadline(), Some(SHOW_MS));
    let events = before.apply(SHOW_MS, Command::Tick).unwrap();
    assert_eq!(told(&events), ["1 shows", "2 mucks", "0 mucks", "ends"]);
    assert_eq!(before.seat_of(player(1)).and_then(|seat| before.seat(seat)).unwrap().stack, 1_020);
}

#[test]
fn a_history_has_the_answers_and_not_the_questions() {
    let (mut game, mut events) = showdown(&[(0, ShowWish::Ask)]);
    events.extend(show(&mut game, 0, true));
    let history = HandHistory::public(1, config(), Vec::new(), &events);
    assert_eq!(told(&history.events), ["1 shows", "2 mucks", "0 shows", "ends"]);
}
