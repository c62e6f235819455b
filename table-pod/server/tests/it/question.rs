//! An action answers the question that its player saw, and no later one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use purr_engine::{Command, PlayerId, SeatIndex, Table, TableConfig};
use purr_protocol::{
    pb::{self, ActionKind, ErrorCode, client_message::Body as Ask, server_message::Body},
    views,
};
use purr_store::{DataKeys, Sealer};
use purr_table::core::{Core, Input, Pace, State, Step};
use std::sync::Arc;

struct Game {
    core: Core,
    id: u64,
}

impl Game {
    /// Two players in a running hand.
    fn new() -> Self {
        let config = TableConfig { seats: 2, buy_in_min: 10, buy_in_max: 10_000, ..common::CONFIG };
        let mut table = Table::new(config.clone()).unwrap();
        for seat in 0..2 {
            let player = PlayerId([seat + 1; 20]);
            table.apply(0, Command::Sit { seat: SeatIndex(seat), player, stack: 1_000 }).unwrap();
        }
        let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([1; 32])), "t");
        let pace = Pace { hand_gap_ms: 0, reveal_ms: 0 };
        let mut core = Core::new(1, common::spec("question", config), State::new(table), sealer, pace);
        core.restart(0, Vec::new());
        let mut game = Self { core, id: 0 };
        for seat in 0..2 {
            game.core.handle(0, Input::Connected { player: PlayerId([seat + 1; 20]) });
        }
        for seed in 1..4 {
            game.core.handle(0, Input::Tick { seed: [seed; 32] });
        }
        game
    }

    fn table(&self) -> &Table {
        &self.core.state().table
    }

    fn to_act(&self) -> SeatIndex {
        self.table().to_act().unwrap()
    }

    fn question(&self) -> pb::Question {
        views::question(self.table(), self.to_act()).unwrap()
    }

    fn act(&mut self, kind: ActionKind, amount: u64, question: Option<pb::Question>) -> Step {
        self.id += 1;
        let hand = self.table().hand().unwrap().number;
        let act = pb::Act { hand, kind: kind.into(), amount, question };
        let message = pb::ClientMessage { id: self.id, body: Some(Ask::Act(act)) };
        let player = PlayerId([self.to_act().0 + 1; 20]);
        self.core.handle(0, Input::Message { connection: 1, player, message })
    }
}

fn refused(step: &Step) -> Option<ErrorCode> {
    step.replies.iter().find_map(|(_, body)| match body {
        Body::Error(error) => Some(error.code()),
        _ => None,
    })
}

#[test]
fn a_press_meant_for_the_question_before_a_raise_is_refused_and_changes_nothing() {
    let mut game = Game::new();
    assert_eq!(refused(&game.act(ActionKind::Call, 0, None)), None);
    // The big blind may check. Nothing changes before the check arrives, so it is accepted.
    let checked = game.question();
    assert_eq!(refused(&game.act(ActionKind::Check, 0, Some(checked))), None);
    // On the flop: a check, then a bet; the click that was meant as a second check must not call the bet.
    let flop = game.question();
    assert_eq!(flop.board_cards, 3);
    assert_eq!(refused(&game.act(ActionKind::Check, 0, Some(flop))), None);
    let opponents = game.question();
    assert_eq!(refused(&game.act(ActionKind::RaiseTo, 500, Some(opponents))), None);
    let before = game.table().clone();
    for kind in [ActionKind::Check, ActionKind::Call, ActionKind::Fold] {
        assert_eq!(refused(&game.act(kind, 0, Some(flop))), Some(ErrorCode::QuestionChanged));
    }
    assert_eq!(game.table(), &before, "nothing has changed");
    let now = game.question();
    assert_eq!(refused(&game.act(ActionKind::Call, 0, Some(now))), None);
}

#[test]
fn no_two_questions_of_a_seat_in_a_hand_are_the_same() {
    let mut game = Game::new();
    let mut asked = Vec::new();
    // Limp, then minimum raises back and forth until nobody may raise any more.
    assert_eq!(refused(&game.act(ActionKind::Call, 0, None)), None);
    while game.table().hand().is_some() && game.table().to_act().is_some() {
        let (seat, question) = (game.to_act(), game.question());
        assert!(!asked.contains(&(seat, question)), "{question:?} was asked before");
        asked.push((seat, question));
        let legal = game.table().legal_actions(seat).unwrap();
        let step = match legal.raise_to {
            Some((min, _)) if asked.len() % 4 != 0 => game.act(ActionKind::RaiseTo, min, Some(question)),
            _ if legal.check => game.act(ActionKind::Check, 0, Some(question)),
            _ => game.act(ActionKind::Call, 0, Some(question)),
        };
        assert_eq!(refused(&step), None);
    }
    assert!(asked.len() > 8, "{}", asked.len());
}

#[test]
fn an_action_without_a_question_answers_whatever_is_asked() {
    let mut game = Game::new();
    assert_eq!(refused(&game.act(ActionKind::RaiseTo, 200, None)), None);
    assert_eq!(refused(&game.act(ActionKind::Call, 0, None)), None);
}
