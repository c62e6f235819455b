//! A deal that can be checked: honest ones pass, and each way to cheat is caught by its name.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]
#![allow(clippy::cast_possible_truncation, reason = "there are 52 leaves")]

use purr_engine::{
    Card,
    deal::{
        Commitment, DealError, Hash, Leaves, Opening, Reveal, SealedDeck, audit, commitment, deal_order,
        verify_reveals, verify_seen,
    },
};

fn reveals() -> Vec<Reveal> {
    vec![Reveal { seat: 4, entropy: [9; 32] }, Reveal { seat: 1, entropy: [8; 32] }]
}

fn commitments() -> Vec<Commitment> {
    let commit = |Reveal { seat, entropy }| Commitment { seat, hash: commitment(&entropy) };
    reveals().into_iter().map(commit).collect()
}

fn deck() -> SealedDeck {
    SealedDeck::new(&[7; 32]).unwrap()
}

/// The openings of this deal at these places.
fn seen(deck: &SealedDeck, reveals: &[Reveal], places: &[usize]) -> Vec<(usize, Opening)> {
    let cards = deck.deck(reveals).unwrap();
    places.iter().map(|&place| (place, deck.opening_of(cards.at(place).unwrap()).unwrap())).collect()
}

/// The deck's leaves after `change`.
fn leaves(change: impl FnOnce(&mut [(Card, Hash); 52])) -> Leaves {
    let opening = |leaf| deck().opening(leaf).unwrap();
    let mut leaves: [(Card, Hash); 52] =
        std::array::from_fn(|leaf| (opening(leaf as u8).card, opening(leaf as u8).salt));
    change(&mut leaves);
    Leaves::new(leaves)
}

#[test]
fn an_honest_deal_verifies_for_every_card() {
    let all: Vec<usize> = (0..52).collect();
    verify_seen(&deck().root(), &reveals(), &seen(&deck(), &reveals(), &all)).unwrap();
}

#[test]
fn a_swapped_card_is_caught() {
    let mut seen = seen(&deck(), &reveals(), &[0, 6]);
    seen[0].1.card = Card::all().find(|card| *card != seen[0].1.card).unwrap();
    let (leaf, card) = (seen[0].1.leaf, seen[0].1.card);
    assert_eq!(verify_seen(&deck().root(), &reveals(), &seen), Err(DealError::NotInDeck { leaf, card }));
}

#[test]
fn a_doubled_card_is_caught() {
    let mut seen = seen(&deck(), &reveals(), &[0, 6]);
    seen[1] = (6, seen[0].1.clone());
    assert_eq!(verify_seen(&deck().root(), &reveals(), &seen), Err(DealError::CardTwice(seen[0].1.card)));
}

#[test]
fn a_deck_with_a_card_twice_is_caught_when_both_are_seen_and_by_the_auditor_always() {
    let twice = leaves(|leaves| leaves[20].0 = leaves[3].0);
    let (root, card) = (twice.root(), twice.card(3).unwrap());
    let place = |leaf: u8| deal_order(&root, &reveals()).unwrap().iter().position(|at| *at == leaf).unwrap();
    let at = |leaf: u8| (place(leaf), twice.opening(leaf).unwrap());
    // A player who sees only one of them has no evidence: the root was made with both.
    assert_eq!(verify_seen(&root, &reveals(), &[at(3), at(4)]), Ok(()));
    assert_eq!(verify_seen(&root, &reveals(), &[at(3), at(20)]), Err(DealError::CardTwice(card)));
    assert_eq!(audit(&root, &reveals(), &twice).unwrap_err(), DealError::CardTwice(card));
}

#[test]
fn a_chosen_order_is_caught() {
    let mut seen = seen(&deck(), &reveals(), &[0, 6]);
    (seen[0].0, seen[1].0) = (6, 0);
    let (leaf, card, wanted) = (seen[0].1.leaf, seen[0].1.card, seen[1].1.leaf);
    let wrong = DealError::WrongOrder { place: 6, card, leaf, wanted };
    assert_eq!(verify_seen(&deck().root(), &reveals(), &seen), Err(wrong));
    seen[0].0 = 52;
    assert_eq!(verify_seen(&deck().root(), &reveals(), &seen), Err(DealError::NoSuchPlace(52)));
}

#[test]
fn an_ignored_reveal_is_caught() {
    let ignoring = seen(&deck(), &reveals()[..1], &[0, 1, 2, 3]);
    let result = verify_seen(&deck().root(), &reveals(), &ignoring);
    assert!(matches!(result, Err(DealError::WrongOrder { .. })), "{result:?}");
}

#[test]
fn a_withheld_reveal_is_named_and_a_false_one_refused() {
    assert_eq!(verify_reveals(&commitments(), &reveals()), Ok(vec![]));
    assert_eq!(verify_reveals(&commitments(), &reveals()[..1]), Ok(vec![1]));
    assert_eq!(verify_reveals(&commitments(), &[]), Ok(vec![4, 1]));
    let mut wrong = reveals();
    wrong[1].entropy[31] ^= 1;
    assert_eq!(verify_reveals(&commitments(), &wrong), Err(DealError::WrongReveal(1)));
    assert_eq!(verify_reveals(&commitments()[..1], &reveals()), Err(DealError::NotCommitted(1)));
    let twice = [reveals(), reveals()].concat();
    assert_eq!(verify_reveals(&commitments(), &twice), Err(DealError::SeatTwice(4)));
    let twice = [commitments(), commitments()].concat();
    assert_eq!(verify_reveals(&twice, &reveals()), Err(DealError::SeatTwice(4)));
}

#[test]
fn the_order_of_reveals_does_not_matter_and_every_bit_of_entropy_does() {
    let root = deck().root();
    let mut swapped = reveals();
    swapped.reverse();
    let order = deal_order(&root, &reveals()).unwrap();
    assert_eq!(deal_order(&root, &swapped), Ok(order));
    for bit in 0..512usize {
        let mut other = reveals();
        other[bit / 256].entropy[bit / 8 % 32] ^= 1 << (bit % 8);
        assert_ne!(deal_order(&root, &other), Ok(order), "bit {bit}");
    }
    let mut elsewhere = reveals();
    elsewhere[0].seat = 5;
    assert_ne!(deal_order(&root, &elsewhere), Ok(order));
}

#[test]
fn whoever_reveals_last_chooses_between_orders_of_leaves_and_not_of_cards() {
    // The root is independent of the cards: two tables with the same order of leaves deal different cards.
    let (one, other) = (deck(), SealedDeck::new(&[8; 32]).unwrap());
    let same_places = (0..52).filter(|leaf| one.leaves().card(*leaf) == other.leaves().card(*leaf)).count();
    assert!(same_places < 12, "{same_places} of 52 cards are in the same leaf");
    // The two orders that one player can choose from are independent of each other, too.
    let both =
        [deal_order(&one.root(), &reveals()).unwrap(), deal_order(&one.root(), &reveals()[..1]).unwrap()];
    let same = (0..52).filter(|place| both[0][*place] == both[1][*place]).count();
    assert!(same < 12, "{same} of 52 places have the same leaf");
}

#[test]
fn an_auditor_gets_the_deck_in_the_order_of_the_deal() {
    let dealt = audit(&deck().root(), &reveals(), deck().leaves()).unwrap();
    assert_eq!(dealt, deck().deck(&reveals()).unwrap());
}

#[test]
fn leaves_that_are_not_those_of_the_root_are_caught() {
    for changed in [
        leaves(|leaves| leaves.swap(0, 51)),
        leaves(|leaves| leaves[7].1[0] ^= 1),
        leaves(|leaves| (leaves[1].0, leaves[2].0) = (leaves[2].0, leaves[1].0)),
    ] {
        assert_eq!(audit(&deck().root(), &reveals(), &changed).unwrap_err(), DealError::OtherDeck);
    }
}

#[test]
fn leaves_survive_their_bytes_and_nothing_else_does() {
    let bytes = deck().leaves().to_bytes();
    assert_eq!(bytes.len(), Leaves::BYTES);
    assert_eq!(&Leaves::from_bytes(&bytes).unwrap(), deck().leaves());
    let mut no_card = bytes.clone();
    no_card[33] = 52;
    for bad in [&bytes[1..], &[bytes.clone(), vec![0; 33]].concat(), &no_card, &[]] {
        assert_eq!(Leaves::from_bytes(bad).unwrap_err(), DealError::Malformed);
    }
}

#[test]
fn an_opening_proves_its_own_leaf_only() {
    let root = deck().root();
    for leaf in 0..52 {
        let opening = deck().opening(leaf).unwrap();
        assert_eq!(deck().leaves().opening(leaf), Some(opening.clone()));
        opening.verify(&root).unwrap();
        let mut moved = opening.clone();
        moved.leaf = (leaf + 1) % 52;
        assert!(moved.verify(&root).is_err(), "leaf {leaf}");
        for step in 0..6 {
            let mut bent = opening.clone();
            bent.path[step][0] ^= 1;
            assert!(bent.verify(&root).is_err(), "leaf {leaf}, step {step}");
        }
    }
    assert_eq!(deck().opening(52), None);
    let padding = Opening { leaf: 52, ..deck().opening(0).unwrap() };
    assert_eq!(padding.verify(&root), Err(DealError::NoSuchLeaf(52)));
}

#[test]
fn a_snapshot_of_the_deck_is_its_seed_and_gives_the_same_deal() {
    let text = serde_json::to_string(&deck()).unwrap();
    assert_eq!(text, format!(r#"{{"seed":"{}"}}"#, "07".repeat(32)));
    let again: SealedDeck = serde_json::from_str(&text).unwrap();
    assert_eq!((again.root(), again.deck(&reveals())), (deck().root(), deck().deck(&reveals())));
    assert_ne!(deck().derive(b"one"), deck().derive(b"two"));
    assert_eq!(deck().derive(b"one"), again.derive(b"one"));
}

#[test]
fn no_debug_output_has_a_secret() {
    let (deck, leaves) = (format!("{:?}", deck()), format!("{:?}", deck().leaves()));
    assert_eq!((deck.as_str(), leaves.as_str()), ("SealedDeck(..)", "Leaves(..)"));
}

#[test]
fn hashes_are_hex_and_lists_of_numbers_are_read_too() {
    let reveal = reveals().remove(0);
    let text = serde_json::to_string(&reveal).unwrap();
    assert_eq!(text, format!(r#"{{"seat":4,"entropy":"{}"}}"#, "09".repeat(32)));
    let numbers = serde_json::to_string(&[9u8; 32]).unwrap();
    let old = format!(r#"{{"seat":4,"entropy":{numbers}}}"#);
    for text in [text, old] {
        assert_eq!(serde_json::from_str::<Reveal>(&text).unwrap(), reveal);
    }
    for bad in [
        "\"09\"",
        "[9]",
        "9",
        "null",
        &format!("\"{}\"", "zz".repeat(32)),
        &format!("[{}0]", "0,".repeat(32)),
    ] {
        let text = format!(r#"{{"seat":4,"entropy":{bad}}}"#);
        assert!(serde_json::from_str::<Reveal>(&text).is_err(), "{bad}");
    }
    let opening = deck().opening(9).unwrap();
    let text = serde_json::to_string(&opening).unwrap();
    assert_eq!(serde_json::from_str::<Opening>(&text).unwrap(), opening);
    assert!(text.len() < 600, "{} bytes", text.len());
}
