//! Who owned a row before: what keeps established flows alive when owners change. A flow that its
//! row's owner does not know is handed down the row ("second chance"), so a task must stay in every
//! row that it may have flows of.

use crate::row::{BackendNumber, ROW_LEN, Row};

/// What a backend that a row names may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// It takes new flows.
    Active,
    /// It keeps its flows and takes no new ones.
    Draining,
    /// It is no more, and neither are its flows.
    Gone,
}

/// The row after a change: `new_owner` first, then those who owned it before, newest first, without
/// duplicates and without the dead.
///
/// Where they are too many, the oldest that is not draining goes first: an active one gets its
/// flows elsewhere by other rows, a draining one lives for its old flows only. A `new_owner` of 0
/// (nobody takes new flows) keeps the former owners behind the empty place, so that flows of
/// draining backends live on. Calling it again with the same arguments changes nothing.
#[must_use]
pub fn update(
    previous: Row,
    new_owner: BackendNumber,
    alive: impl Fn(BackendNumber) -> Liveness,
) -> Row {
    let mut former = Former::default();
    for number in previous.backends {
        let alive_former = number != 0 && number != new_owner && alive(number) != Liveness::Gone;
        if alive_former && !former.contains(number) {
            former.push(number);
        }
    }
    while former.len >= ROW_LEN {
        former.remove(former.most_dispensable(&alive));
    }
    let [a, b, c, _] = former.list;
    Row { backends: [new_owner, a, b, c] }
}

/// All rows after a change, one per owner. `previous` may be a smaller table (or empty, for a new
/// service): row r then inherits the list of row r modulo the old length, which is the row that
/// the same flows fell on.
#[must_use]
pub fn rebuild(
    previous: &[Row],
    owners: &[BackendNumber],
    alive: impl Fn(BackendNumber) -> Liveness,
) -> Vec<Row> {
    let mask = previous.len().saturating_sub(1);
    let inherited = |row: usize| previous.get(row & mask).copied().unwrap_or_default();
    owners.iter().enumerate().map(|(row, &owner)| update(inherited(row), owner, &alive)).collect()
}

/// Former owners under construction, newest first; one place more than a row can keep.
#[derive(Debug, Default)]
struct Former {
    list: [BackendNumber; ROW_LEN],
    len: usize,
}

impl Former {
    fn contains(&self, number: BackendNumber) -> bool {
        self.list[..self.len].contains(&number)
    }

    fn push(&mut self, number: BackendNumber) {
        self.list[self.len] = number;
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        self.list.copy_within(at + 1..self.len, at);
        self.len -= 1;
        self.list[self.len] = 0;
    }

    /// The oldest that is not draining; the oldest where all are.
    fn most_dispensable(&self, alive: impl Fn(BackendNumber) -> Liveness) -> usize {
        let undrained = |&number: &BackendNumber| alive(number) != Liveness::Draining;
        self.list[..self.len].iter().rposition(undrained).unwrap_or(self.len - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Liveness::{Active, Draining, Gone};

    fn row(backends: [BackendNumber; ROW_LEN]) -> Row {
        Row { backends }
    }

    #[test]
    fn a_move_pushes_the_old_owner_down() {
        assert_eq!(update(Row::of(1), 2, |_| Active), row([2, 1, 0, 0]));
        assert_eq!(update(row([2, 1, 0, 0]), 3, |_| Active), row([3, 2, 1, 0]));
        assert_eq!(update(row([3, 2, 1, 0]), 1, |_| Active), row([1, 3, 2, 0]));
    }

    #[test]
    fn the_oldest_that_does_not_drain_goes_first() {
        let full = row([4, 3, 2, 1]);
        assert_eq!(update(full, 5, |_| Active), row([5, 4, 3, 2]));
        assert_eq!(update(full, 5, |n| if n == 1 { Draining } else { Active }), row([5, 4, 3, 1]));
        assert_eq!(update(full, 5, |n| if n < 4 { Draining } else { Active }), row([5, 3, 2, 1]));
        assert_eq!(update(full, 5, |_| Draining), row([5, 4, 3, 2]));
    }

    #[test]
    fn draining_backends_stay_reachable_when_nobody_takes_new_flows() {
        let drained = update(row([1, 2, 0, 0]), 0, |_| Draining);
        assert_eq!(drained, row([0, 1, 2, 0]));
        assert_eq!(update(drained, 3, |n| if n == 2 { Gone } else { Draining }), row([3, 1, 0, 0]));
    }

    #[test]
    fn growth_inherits_by_the_old_mask_and_a_new_service_has_no_past() {
        let grown = rebuild(&[Row::of(1), Row::of(2)], &[3, 3, 1, 3], |_| Active);
        assert_eq!(grown, [row([3, 1, 0, 0]), row([3, 2, 0, 0]), Row::of(1), row([3, 2, 0, 0])]);
        assert_eq!(rebuild(&[], &[1, 2], |_| Active), [Row::of(1), Row::of(2)]);
    }

    fn any_row() -> impl Strategy<Value = Row> {
        [0_u16..9, 0_u16..9, 0_u16..9, 0_u16..9].prop_map(row)
    }

    fn any_liveness() -> impl Strategy<Value = [Liveness; 9]> {
        let one = prop_oneof![Just(Active), Just(Draining), Just(Gone)];
        proptest::collection::vec(one, 9).prop_map(|all| all.try_into().expect("nine"))
    }

    proptest! {
        #[test]
        fn rules_hold_for_any_row(previous in any_row(), owner in 0_u16..9, alive in any_liveness()) {
            let alive = |number: BackendNumber| alive[usize::from(number)];
            let next = update(previous, owner, alive);
            prop_assert_eq!(next.owner(), owner);
            let former: Vec<_> = next.backends[1..].iter().copied().filter(|&n| n != 0).collect();
            prop_assert_eq!(next.backends[1..].iter().rposition(|&n| n != 0).map_or(0, |at| at + 1), former.len(), "gaps");
            for (at, number) in former.iter().enumerate() {
                prop_assert!(*number != owner && !former[..at].contains(number), "duplicate");
                prop_assert!(alive(*number) != Gone && previous.backends.contains(number));
            }
            let places = previous.backends.map(|n| former.iter().position(|&kept| kept == n));
            let kept: Vec<_> = places.into_iter().flatten().collect();
            prop_assert!(kept.iter().enumerate().all(|(at, place)| kept[..=at].iter().max() == Some(place)) || has_duplicates(previous), "order");
            prop_assert_eq!(update(next, owner, alive), next, "not settled");
        }

        #[test]
        fn a_draining_backend_is_never_pushed_out_by_active_ones(changes in proptest::collection::vec(2_u16..40, 1..50)) {
            let alive = |number| if number == 1 { Draining } else { Active };
            let mut current = Row::of(1);
            for owner in changes {
                current = update(current, owner, alive);
                prop_assert!(current.backends[1..].contains(&1));
            }
        }

        #[test]
        fn two_changes_in_a_row_keep_the_original_owner(original in 1_u16..9, first in 0_u16..9, second in 0_u16..9) {
            let twice = update(update(Row::of(original), first, |_| Active), second, |_| Active);
            prop_assert!(twice.backends.contains(&original));
        }

        #[test]
        fn growth_keeps_every_flow_within_reach(hash: u32, owners in proptest::collection::vec(1_u16..5, 16)) {
            let before: Vec<Row> = [1, 2, 3, 4].map(Row::of).to_vec();
            let grown = rebuild(&before, &owners, |_| Active);
            let was = before[hash as usize & 3].owner();
            prop_assert!(grown[hash as usize & 15].backends.contains(&was));
        }
    }

    fn has_duplicates(row: Row) -> bool {
        row.backends.iter().enumerate().any(|(at, number)| row.backends[..at].contains(number))
    }
}
