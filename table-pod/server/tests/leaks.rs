//! Who is sent what: over ten thousand random hands every byte to every seat and to spectators is decoded, in
//! both encodings, and compared with what its receiver may know at that moment. The store under the table
//! opens what is sealed, so the test knows each deck before anybody is shown anything.
//!
//! It runs at the table's connections, below the socket: the socket adds frames, and no messages but its own
//! answers. Players and spectators drop out and resume from anywhere, chairs change hands, processes die.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod common;
#[path = "leaks/play.rs"]
mod play;
#[path = "leaks/secrets.rs"]
mod secrets;
#[path = "leaks/watch.rs"]
mod watch;

use base64::{Engine, engine::general_purpose::STANDARD};
use play::{Bot, Tamper, play};
use purr_engine::Card;
use purr_protocol::pb::{self, event::Kind, server_message::Body};
use secrets::Known;
use std::{sync::Mutex, thread};
use watch::{Counts, Watch};

const HANDS: u64 = 10_000;
/// Hands of one table; then another begins.
const HANDS_EACH: u64 = 200;
const THREADS: u64 = 2;

fn run(seed: u64, hands: u64, tamper: &mut Tamper<'_>) -> Watch {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(play(seed, hands, tamper))
}

#[test]
fn nobody_is_sent_a_card_before_its_showdown_or_what_would_reveal_one() {
    let share = |thread: u64| {
        let mut sum = Counts::default();
        let mut tables = 0;
        while sum.hands < HANDS / THREADS {
            let seed = thread << 32 | tables;
            tables += 1;
            assert!(tables < HANDS / 10, "{sum:?}: too few hands a table");
            let Watch { counts, leaks, .. } = run(seed, HANDS_EACH, &mut |_, _, _| {});
            assert!(
                leaks.is_empty(),
                "seed {seed}: {} leaks, the first: {:?}",
                leaks.len(),
                &leaks[..leaks.len().min(3)]
            );
            sum.hands += counts.hands;
            sum.messages += counts.messages;
            sum.bytes += counts.bytes;
            sum.snapshots += counts.snapshots;
            sum.resumed += counts.resumed;
            sum.mucked += counts.mucked;
            sum.shown += counts.shown;
            sum.volunteered += counts.volunteered;
        }
        sum
    };
    let threads: Vec<_> = (0..THREADS).map(|thread| thread::spawn(move || share(thread))).collect();
    let sums: Vec<Counts> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let of = |count: fn(&Counts) -> u64| sums.iter().map(count).sum::<u64>();
    println!("{sums:?}");
    assert!(of(|sum| sum.hands) >= HANDS);
    // The test has met every kind of hand.
    assert!(of(|sum| sum.mucked) > HANDS / 10, "hands were mucked");
    assert!(of(|sum| sum.shown) > HANDS / 2, "hands were shown");
    assert!(of(|sum| sum.volunteered) > HANDS / 100, "hands that nobody called were shown by choice");
    assert!(of(|sum| sum.snapshots) > HANDS / 10, "snapshots were asked for");
    assert!(of(|sum| sum.resumed) > HANDS, "what was missed was sent again");
}

/// Plays with an injected leak until it is found or all hands are played.
fn caught(what: &str, mut leak: impl FnMut(&Bot, &mut pb::ServerMessage, &Mutex<Known>) -> bool) {
    let mut leaked = 0;
    for seed in 0..20 {
        let Watch { leaks, .. } = run(seed, 25, &mut |bot, message, known| {
            leaked += u64::from(leaked == 0 && leak(bot, message, known));
        });
        if leaked > 0 {
            return assert!(!leaks.is_empty(), "{what}: nobody has noticed");
        }
        assert!(leaks.is_empty(), "{what}: {leaks:?} without a leak");
    }
    panic!("{what}: nothing was leaked");
}

fn events(message: &mut pb::ServerMessage) -> Option<&mut Vec<pb::Event>> {
    match &mut message.body {
        Some(Body::Events(events)) => Some(&mut events.events),
        _ => None,
    }
}

#[test]
fn one_view_rendered_for_another_seat_is_caught() {
    let mut first: Option<pb::ServerMessage> = None;
    caught("another seat's view", |_, message, _| {
        let dealt = |message: &mut pb::ServerMessage| {
            events(message)
                .is_some_and(|events| events.iter().any(|e| matches!(e.kind, Some(Kind::Dealt(_)))))
        };
        if !dealt(message) {
            return false;
        }
        match &first {
            Some(first) if first.offset == message.offset && first != message => {
                message.clone_from(first);
                true
            }
            _ => {
                first = Some(message.clone());
                false
            }
        }
    });
}

#[test]
fn one_mucked_hand_that_is_shown_is_caught() {
    caught("a mucked hand", |_, message, known| {
        let card = Card::new(11).unwrap();
        let Some(events) = events(message) else { return false };
        let Some(seat) = events.iter().find_map(|event| match event.kind {
            Some(Kind::Mucked(mucked)) => Some(mucked.seat),
            _ => None,
        }) else {
            return false;
        };
        // Without its proof: the card alone is a leak.
        let cards = vec![pb::Opening { card: card.to_string(), ..pb::Opening::default() }];
        events.push(pb::Event { kind: Some(Kind::Shown(pb::Shown { seat, cards })) });
        known.lock().unwrap().deck().is_some()
    });
}

#[test]
fn one_card_of_another_seat_in_a_snapshot_is_caught() {
    caught("a snapshot", |_, message, _| {
        let Some(Body::Snapshot(pb::Snapshot { hand: Some(hand), you, .. })) = &mut message.body else {
            return false;
        };
        let known: Vec<String> =
            hand.board.iter().chain(hand.players.iter().flat_map(|p| &p.cards)).cloned().collect();
        let Some(other) = hand.players.iter_mut().find(|player| Some(player.seat) != *you) else {
            return false;
        };
        let unknown =
            (0..52).filter_map(Card::new).map(|card| card.to_string()).find(|card| !known.contains(card));
        other.cards.extend(unknown);
        true
    });
}

#[test]
fn one_showdown_told_too_early_is_caught() {
    let mut shown = None;
    caught("an early showdown", |_, message, _| {
        let Some(events) = events(message) else { return false };
        // The order within one message matters: events are in the order of showing.
        let at = events.iter().position(|event| matches!(event.kind, Some(Kind::Shown(_))));
        let street =
            events.iter().position(|event| matches!(event.kind, Some(Kind::Street(_) | Kind::Acted(_))));
        match (at, street) {
            (Some(at), Some(street)) if street < at => {
                events.swap(at, street);
                shown = Some(at);
                true
            }
            _ => false,
        }
    });
    assert!(shown.is_some());
}

#[test]
fn one_salt_of_a_face_down_card_is_caught_in_binary_and_in_text() {
    let salt = |known: &Mutex<Known>| {
        let known = known.lock().unwrap();
        // Leaf by leaf, so that it is not always a card that somebody may see.
        known.deck().and_then(|deck| deck.opening(17)).map(|opening| opening.salt)
    };
    caught("a salt in a field of bytes", |_, message, known| {
        let Some(events) = events(message) else { return false };
        let Some(Kind::Deal(deal)) = events.iter_mut().find_map(|event| event.kind.as_mut()) else {
            return false;
        };
        salt(known).is_some_and(|salt| {
            deal.root.extend(&salt[..16]);
            true
        })
    });
    caught("a salt in a text", |_, message, known| {
        if events(message).is_none() {
            return false;
        }
        salt(known).is_some_and(|salt| {
            let reason = STANDARD.encode(salt);
            message.body = Some(Body::TablePaused(pb::TablePaused { reason }));
            true
        })
    });
}

#[test]
fn one_players_entropy_before_the_deal_is_caught() {
    let mut revealed: Option<Vec<u8>> = None;
    caught("entropy", |bot, message, _| {
        if let Some(entropy) = bot.entropy() {
            revealed = Some(entropy.to_vec());
        }
        let (Some(events), Some(entropy)) = (events(message), &revealed) else { return false };
        match events.iter_mut().find_map(|event| event.kind.as_mut()) {
            Some(Kind::Deal(deal)) if deal.reveals.is_empty() => {
                deal.reveals.push(pb::Reveal { seat: 0, entropy: entropy.clone() });
                true
            }
            _ => false,
        }
    });
}
