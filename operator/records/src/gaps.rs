//! Finds the hand numbers of a table that are missing, from the numbers that arrive.

/// Numbers that are missing, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub first: i64,
    pub last: i64,
}

/// The changes that a hand makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub highest: i64,
    /// The open gap that contains the hand is removed, ...
    pub closed: Option<Gap>,
    /// Gaps that the hand opens: the rest of a divided gap, or skipped numbers.
    pub opened: Vec<Gap>,
}

/// `within` is the open gap that holds this number, if one does. A table's hands count from 1.
pub fn after(highest: i64, within: Option<Gap>, hand: i64) -> Change {
    let open = |first: i64, last: i64| (first <= last).then_some(Gap { first, last });
    if hand > highest {
        return Change {
            highest: hand,
            closed: None,
            opened: open(highest + 1, hand - 1).into_iter().collect(),
        };
    }
    let opened = within
        .map(|gap| [open(gap.first, hand - 1), open(hand + 1, gap.last)].into_iter().flatten().collect())
        .unwrap_or_default();
    Change { highest, closed: within, opened }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_order_what_has_not_come_is_a_gap_and_nothing_else() {
        // Tries every order of every subset of 1..=6 by recursion.
        fn go(came: &mut Vec<i64>, highest: i64, gaps: &[Gap]) {
            let missing: Vec<i64> = gaps.iter().flat_map(|gap| gap.first..=gap.last).collect();
            let want: Vec<i64> = (1..=highest).filter(|hand| !came.contains(hand)).collect();
            assert_eq!(missing, want, "after {came:?}");
            for hand in 1..=6 {
                let within = gaps.iter().find(|gap| (gap.first..=gap.last).contains(&hand)).copied();
                let change = after(highest, within, hand);
                if came.contains(&hand) {
                    assert_eq!(change, Change { highest, ..Change::default() });
                    continue;
                }
                let mut next: Vec<Gap> = gaps
                    .iter()
                    .copied()
                    .filter(|gap| Some(*gap) != change.closed)
                    .chain(change.opened)
                    .collect();
                next.sort_unstable_by_key(|gap| gap.first);
                came.push(hand);
                go(came, change.highest, &next);
                came.pop();
            }
        }
        go(&mut Vec::new(), 0, &[]);
    }
}
