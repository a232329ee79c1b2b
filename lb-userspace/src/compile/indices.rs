//! Where services and peers stand in their maps: where they stood before, and new ones in the
//! lowest place that nobody has or had.

use std::collections::{BTreeMap, BTreeSet};

/// Places from 1 to below `len` for all `names`: as in `known`, else the lowest that `known` does not
/// have; `None` where they do not suffice.
///
/// The place of a name that is not asked for any more stays empty this time: what still refers to
/// it must not meet somebody else there.
pub(super) fn assign<N: Ord + Clone>(
    names: impl Iterator<Item = N>,
    known: &BTreeMap<N, u16>,
    len: u32,
) -> Option<BTreeMap<N, u16>> {
    let taken: BTreeSet<u16> = known.values().copied().collect();
    let last = u16::try_from(len.saturating_sub(1)).unwrap_or(u16::MAX);
    let mut free = (1..=last).filter(|index| !taken.contains(index));
    let mut place = |name: &N| known.get(name).copied().or_else(|| free.next());
    names.map(|name| place(&name).map(|index| (name, index))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_kept_and_a_place_just_left_stays_empty() {
        let known = BTreeMap::from([("a", 1), ("gone", 2), ("c", 5)]);
        let places = assign(["b", "c", "a", "d", "e"].into_iter(), &known, 7);
        let expected = [("a", 1), ("b", 3), ("c", 5), ("d", 4), ("e", 6)];
        assert_eq!(places, Some(BTreeMap::from(expected)));
        assert_eq!(assign(["b", "d", "e"].into_iter(), &known, 6), None);
    }
}
