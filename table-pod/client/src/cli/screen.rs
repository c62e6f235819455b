//! The table as text.

use crate::view::{Ended, View};
use purr_engine::{Card, PlayerId};
use purr_protocol::pb;
use std::fmt::Write;

fn cards(cards: &[Card]) -> String {
    cards.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn short(player: PlayerId) -> String {
    let text = player.to_string();
    format!("{}…{}", &text[..6], &text[38..])
}

/// Renders the seats, the board and pots, the player's own cards and the legal actions. Writing to a String cannot
/// fail.
pub(super) fn table(view: &View) -> String {
    let Some(table) = view.table() else { return "waiting for the table".into() };
    let mut text = String::new();
    let _ = writeln!(text, "-- {} {}/{}", table.name, table.small_blind, table.big_blind);
    for (seat, chair) in &table.seats {
        let hand = table.hand.as_ref();
        let player = hand.and_then(|hand| hand.players.get(seat));
        let mark = if hand.is_some_and(|hand| hand.to_act == Some(*seat)) { '>' } else { ' ' };
        let button = if hand.is_some_and(|hand| hand.button == *seat) { 'D' } else { ' ' };
        let state = match player {
            Some(player) if player.folded => "folded".to_owned(),
            Some(player) => format!("bet {}", player.street_bet),
            None if chair.sitting_out => "sits out".to_owned(),
            None => String::new(),
        };
        let you = if table.you == Some(*seat) { "you" } else { "" };
        let _ = writeln!(
            text,
            "{mark}{button} {seat}  {}  {:>14}  {state} {you}",
            short(chair.player),
            chair.stack
        );
    }
    if let Some(hand) = &table.hand {
        let _ = writeln!(text, "hand {}  pot {}  board [{}]", hand.number, hand.pot, cards(&hand.board));
        if !hand.second_board.is_empty() {
            let _ = writeln!(text, "second board [{}]", cards(&hand.second_board));
        }
        if !view.your_cards().is_empty() {
            let _ = writeln!(text, "your cards: {}", cards(view.your_cards()));
        }
    }
    if let Some(why) = view.stalled() {
        let _ = writeln!(text, "the table pauses: {why}");
    }
    if view.your_question().is_some() {
        let seconds = view.clock().map(|(ms, _)| format!(" ({} s)", ms / 1_000)).unwrap_or_default();
        let _ = writeln!(text, "run it twice{seconds}? y yes, n no");
    }
    if view.may_show().is_some() {
        let seconds = view.clock().map(|(ms, _)| format!(" ({} s)", ms / 1_000)).unwrap_or_default();
        let _ = writeln!(text, "show your hand{seconds}? h show, m muck");
    }
    if let Some(turn) = view.your_turn() {
        let mut options = vec!["f fold".to_owned()];
        if turn.options.check {
            options.push("k check".into());
        }
        if let Some(call) = turn.options.call {
            options.push(format!("c call {call}"));
        }
        if let (Some(min), Some(max)) = (turn.options.raise_min, turn.options.raise_max) {
            options.push(format!("r {min}..{max} raise to"));
        }
        let seconds = view.clock().map(|(ms, _)| format!(" ({} s)", ms / 1_000)).unwrap_or_default();
        let _ = writeln!(text, "your turn{seconds}: {}", options.join(", "));
    }
    text
}

/// What somebody said, with the number that a report names. Another player wrote it: control characters would reach the
/// terminal.
pub(super) fn said(said: &pb::Said) -> String {
    let reaction = match said.reaction() {
        pb::Reaction::Unspecified => "",
        pb::Reaction::NiceHand => "nice hand",
        pb::Reaction::Thanks => "thanks",
        pb::Reaction::GoodLuck => "good luck",
        pb::Reaction::Wow => "wow",
        pb::Reaction::Laugh => "laughs",
        pb::Reaction::Ouch => "ouch",
    };
    let text: String = said.text.chars().filter(|letter| !letter.is_control()).collect();
    let what = if text.is_empty() { format!("*{reaction}*") } else { format!("\"{text}\"") };
    format!("   seat {}: {what}  (! {} reports it)", said.seat, said.number)
}

/// The cards that would have come.
pub(super) fn rabbit(rabbit: &pb::RabbitHunted) -> String {
    let cards: Vec<&str> = rabbit.cards.iter().map(|open| open.card.as_str()).collect();
    format!("   hand {}: [{}] would have come", rabbit.hand, cards.join(" "))
}

pub(super) fn ended(ended: &Ended) -> String {
    let mut text = format!("== hand {} has ended, board [{}]", ended.hand, cards(&ended.board));
    if !ended.second_board.is_empty() {
        let _ = write!(text, " and [{}]", cards(&ended.second_board));
    }
    for (seat, shown) in &ended.shown {
        let _ = write!(text, "\n   {seat} shows {}", cards(shown));
    }
    for (seat, delta, stack) in &ended.results {
        let _ = write!(text, "\n   {seat} {delta:+} -> {stack}");
    }
    let _ = write!(text, "\n   rake {}{}", ended.rake, if ended.void { ", void" } else { "" });
    text
}
