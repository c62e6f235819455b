//! The rabbit hunt: the cards that would have come, once a hand is over, for who was in it, where the table allows it.

use super::room::{Game, kinds, refusal};
use purr_engine::{RakeConfig, SeatIndex, deal};
use purr_protocol::{
    RoomRules,
    pb::{self, ErrorCode, client_message::Body as Ask, event::Kind},
    record::HandRecord,
};

const NO_RAKE: RakeConfig = RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true };

fn hunt(hand: u64) -> Ask {
    Ask::HuntRabbit(pb::HuntRabbit { hand })
}

/// A table in its first hand.
fn dealt(rabbit_hunt: bool) -> Game {
    let mut game = Game::seated(2, NO_RAKE, RoomRules { rabbit_hunt, ..RoomRules::default() });
    while game.core.state().table.hand().is_none() {
        game.tick(60_000);
    }
    game
}

/// Everybody calls and checks until this many cards are on the board; then the next one folds. The hand's record.
fn fold_at(game: &mut Game, board: usize) -> HandRecord {
    loop {
        let Some(seat) = game.core.state().table.to_act() else {
            game.tick(60_000);
            continue;
        };
        let hand = game.core.state().table.hand().unwrap();
        let passive = match game.core.state().table.legal_actions(seat).unwrap().check {
            true => pb::ActionKind::Check,
            false => pb::ActionKind::Call,
        };
        if hand.board.len() < board {
            game.act(seat, passive, 0);
            continue;
        }
        let step = game.act(seat, pb::ActionKind::Fold, 0);
        return serde_json::from_slice(&step.hand.unwrap().record).unwrap();
    }
}

fn rabbit(told: Vec<Kind>) -> Option<pb::RabbitHunted> {
    told.into_iter().find_map(|kind| match kind {
        Kind::RabbitHunted(rabbit) => Some(rabbit),
        _ => None,
    })
}

#[test]
fn the_cards_that_would_have_come_are_those_of_the_committed_deck_and_change_nothing() {
    for board in [0, 3, 4] {
        let mut game = dealt(true);
        assert_eq!(refusal(&game.say(0, hunt(1))), Some(ErrorCode::WrongHand), "not while it runs");
        let record = fold_at(&mut game, board);
        let stacks: Vec<_> =
            (0..2).map(|at| game.core.state().table.seat(SeatIndex(at)).unwrap().stack).collect();
        let found = rabbit(kinds(&game.say(1, hunt(1)))).unwrap();
        assert_eq!((found.seat, found.hand, found.cards.len()), (1, 1, 5 - board));
        let root: deal::Hash = hex::decode(&record.root).unwrap().try_into().unwrap();
        let order = deal::deal_order(&root, &record.reveals).unwrap();
        for (place, card) in (4 + board..).zip(&found.cards) {
            let opening = deal::Opening {
                card: card.card.parse().unwrap(),
                leaf: u8::try_from(card.leaf).unwrap(),
                salt: card.salt.clone().try_into().unwrap(),
                path: std::array::from_fn(|at| card.path[32 * at..32 * (at + 1)].try_into().unwrap()),
            };
            assert_eq!(opening.verify(&root), Ok(()));
            assert_eq!(order[place], opening.leaf, "it is the card of that place");
        }
        let after: Vec<_> =
            (0..2).map(|at| game.core.state().table.seat(SeatIndex(at)).unwrap().stack).collect();
        assert_eq!(after, stacks);
        let proven =
            |card: &pb::Opening| record.openings.iter().any(|(_, open)| open.card.to_string() == card.card);
        assert!(!found.cards.iter().any(proven), "the record has no proof of them");
        assert_eq!(refusal(&game.say(0, hunt(1))), Some(ErrorCode::WrongHand), "once");
    }
}

#[test]
fn nobody_hunts_where_the_table_does_not_allow_it_from_outside_or_in_the_next_hand() {
    let mut game = dealt(false);
    fold_at(&mut game, 0);
    assert!(!game.core.snapshot_for(game.people[0].player).rabbit_hunt);
    assert_eq!(refusal(&game.say(0, hunt(1))), Some(ErrorCode::Refused));

    let mut game = dealt(true);
    fold_at(&mut game, 0);
    assert!(game.core.snapshot_for(game.people[0].player).rabbit_hunt);
    assert_eq!(refusal(&game.say(5, hunt(1))), Some(ErrorCode::NotSeated));
    assert_eq!(refusal(&game.say(0, hunt(2))), Some(ErrorCode::WrongHand));
    while game.core.state().table.hand().is_none() {
        game.tick(120_000);
    }
    assert_eq!(refusal(&game.say(0, hunt(1))), Some(ErrorCode::WrongHand));
}
