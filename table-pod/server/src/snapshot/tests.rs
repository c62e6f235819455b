use super::{change, decode::decode, encode::encode, node, *};
use proptest::{collection, prelude::*};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every kind of node, inside each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Nothing,
    Number(u64),
    Large(u128),
    Signed(i64),
    Text(String),
    #[serde(with = "bytes")]
    Bytes(Vec<u8>),
    List(Vec<Tree>),
    Map(BTreeMap<u64, Tree>),
    Pair(u8, Option<Box<Tree>>),
    Named {
        seat: u8,
        no_short_name_for_this: bool,
        stack: Option<Box<Tree>>,
    },
}

mod bytes {
    use serde::{Deserializer, Serializer, de::Visitor};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Nothing),
        prop_oneof![0..200_u64, any::<u64>()].prop_map(Tree::Number),
        any::<u128>().prop_map(Tree::Large),
        any::<i64>().prop_map(Tree::Signed),
        ".{0,40}".prop_map(Tree::Text),
        collection::vec(any::<u8>(), 0..300).prop_map(Tree::Bytes),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        let boxed = || proptest::option::of(inner.clone().prop_map(Box::new));
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Tree::List),
            collection::btree_map(0..8_u64, inner.clone(), 0..6).prop_map(Tree::Map),
            (any::<u8>(), boxed()).prop_map(|(number, tree)| Tree::Pair(number, tree)),
            (any::<u8>(), any::<bool>(), boxed()).prop_map(|(seat, no_short_name_for_this, stack)| {
                Tree::Named { seat, no_short_name_for_this, stack }
            }),
        ]
    })
}

/// The same tree with other values at some of its places.
fn changed(tree: &Tree, other: &Tree, places: &mut impl Iterator<Item = u8>) -> Tree {
    match places.next() {
        None => return tree.clone(),
        Some(0..40) => return other.clone(),
        Some(_) => {}
    }
    let mut inside = |tree: &Tree| changed(tree, other, places);
    match tree {
        Tree::List(trees) => {
            let mut trees: Vec<Tree> = trees.iter().map(&mut inside).collect();
            match places.next() {
                Some(0..60) => trees.push(other.clone()),
                Some(60..90) => drop(trees.pop()),
                Some(90..110) if !trees.is_empty() => drop(trees.remove(0)),
                _ => {}
            }
            Tree::List(trees)
        }
        Tree::Map(trees) => {
            let mut trees: BTreeMap<u64, Tree> =
                trees.iter().map(|(key, tree)| (*key, inside(tree))).collect();
            match places.next() {
                Some(key @ 0..60) => drop(trees.insert(u64::from(key % 8), other.clone())),
                Some(60..90) => drop(trees.pop_first()),
                _ => {}
            }
            Tree::Map(trees)
        }
        Tree::Number(number) => Tree::Number(number.wrapping_add(1)),
        _ => tree.clone(),
    }
}

/// Number of cases of each property, from PURR_CASES.
fn cases() -> u32 {
    std::env::var("PURR_CASES").map_or(512, |count| count.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_value_comes_back_as_it_was(tree in tree()) {
        let node = encode(&tree).unwrap();
        prop_assert_eq!(node::whole(&mut node.as_slice()).unwrap(), node.as_slice());
        prop_assert_eq!(decode::<Tree>(&node).unwrap(), tree);
    }

    #[test]
    fn a_change_leads_to_exactly_what_it_was_made_for(
        old in tree(),
        other in tree(),
        places in collection::vec(any::<u8>(), 0..64),
    ) {
        let new = changed(&old, &other, &mut places.into_iter());
        for (old, new) in [(&old, &new), (&old, &other), (&old, &old)] {
            let (old, new) = (encode(old).unwrap(), encode(new).unwrap());
            let mut change = Vec::new();
            change::between(&old, &new, &mut change).unwrap();
            prop_assert_eq!(&change::apply(&old, &change).unwrap(), &new);
            prop_assert!(change.len() <= new.len() + 8, "{} bytes for {}", change.len(), new.len());
        }
    }

    #[test]
    fn what_is_no_node_and_no_change_is_an_error_and_no_panic(
        tree in tree(),
        noise in collection::vec(any::<u8>(), 0..64),
        at in any::<prop::sample::Index>(),
    ) {
        let mut node = encode(&tree).unwrap();
        let _ = decode::<Tree>(&noise);
        let _ = change::apply(&node, &noise);
        let at = at.index(node.len());
        node[at] ^= noise.first().copied().unwrap_or(1);
        let _ = decode::<Tree>(&node);
        let _ = change::apply(&node, &[0x01, 0x01, 0x04, 0x03, 0x03]);
        node.truncate(at);
        prop_assert!(decode::<Tree>(&node).is_err());
    }
}

#[test]
fn a_field_of_a_later_release_is_passed_over_and_one_that_is_missing_has_its_default() {
    #[derive(Serialize)]
    struct Later {
        stack: u64,
        of_a_later_release: Vec<Option<u64>>,
        seat: u8,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Now {
        seat: u8,
        stack: u64,
        #[serde(default)]
        pending: u64,
    }
    let node = encode(&Later { stack: 7_000, of_a_later_release: vec![Some(1), None], seat: 3 }).unwrap();
    assert_eq!(decode::<Now>(&node).unwrap(), Now { seat: 3, stack: 7_000, pending: 0 });
}

#[test]
fn what_has_grown_costs_what_was_added_and_what_has_moved_costs_its_place_and_value() {
    let seats: Vec<BTreeMap<&str, u64>> =
        (0..9).map(|seat| BTreeMap::from([("seat", seat), ("stack", 1_000_000), ("hand", 5)])).collect();
    let old = encode(&(&seats, vec!["event"; 40])).unwrap();
    let mut seats = seats;
    seats[4].insert("stack", 990_000);
    let new = encode(&(&seats, vec!["event"; 41])).unwrap();
    let mut change = Vec::new();
    change::between(&old, &new, &mut change).unwrap();
    assert!(change.len() <= 24, "{change:?}");
    assert_eq!(change::apply(&old, &change).unwrap(), new);
}

#[test]
fn a_list_that_forgets_its_oldest_costs_what_is_new() {
    let ids =
        |from: u64| encode(&(from..from + 64).map(|id| (1_000 + id * 2, 1)).collect::<Vec<_>>()).unwrap();
    let (old, new) = (ids(0), ids(3));
    let mut change = Vec::new();
    change::between(&old, &new, &mut change).unwrap();
    assert!(change.len() <= 32, "{change:?}");
    assert_eq!(change::apply(&old, &change).unwrap(), new);
}

#[test]
fn nodes_that_are_inside_each_other_without_end_are_refused() {
    let mut node = vec![node::NULL];
    for _ in 0..5_000 {
        let mut outer = vec![node::LIST];
        node::put_size(&mut outer, node.len());
        outer.append(&mut node);
        node = outer;
    }
    assert!(decode::<serde::de::IgnoredAny>(&node).is_ok(), "what nobody asks for is not gone into");
    assert!(decode::<Tree>(&node).is_err());
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "never made")]
    struct Deep(Vec<Deep>);
    assert!(matches!(decode::<Deep>(&node), Err(DecodeError::Malformed(Malformed::Deep))));
}
