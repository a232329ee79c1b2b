//! Backend numbers, which all nodes must agree on and a task must keep while it lives.
//!
//! A task's number follows from its own addresses: its offset in the ingress network, or, where it has
//! none there, its offset in its first other network, moved up past the numbers that an ingress network
//! of the usual size gives. So tasks that came before and after their service published a port do not
//! meet. Where two meet all the same, one of them moves to the next free number.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::row::BackendNumber;

/// Where numbers of tasks without an address in the ingress network begin: an ingress network is a /24
/// unless the operator made another.
pub(super) const BEYOND_INGRESS: BackendNumber = 256;

/// What a task's number follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Offset {
    /// Its offset in the ingress network.
    Ingress(u32),
    /// Its offset in another one.
    Other(u32),
}

impl Offset {
    /// The number; `None` where it does not fit or would be 0.
    fn number(self) -> Option<BackendNumber> {
        let number = match self {
            Self::Ingress(offset) => offset,
            Self::Other(offset) => offset.checked_add(BEYOND_INGRESS.into())?,
        };
        number.try_into().ok().filter(|number| *number != 0)
    }
}

/// A number for each task id; beyond 65535 tasks there is none.
pub(super) fn numbers<'a>(
    tasks: impl Iterator<Item = (&'a str, Offset)>,
) -> BTreeMap<&'a str, BackendNumber> {
    let mut tasks: Vec<_> = tasks.map(|(id, offset)| (offset, id)).collect();
    tasks.sort_unstable();
    let (mut taken, mut numbers) = (BTreeSet::new(), BTreeMap::new());
    let mut movers = Vec::new();
    for (offset, id) in tasks {
        match offset.number().filter(|number| taken.insert(*number)) {
            Some(number) => drop(numbers.insert(id, number)),
            None => movers.push((id, offset.number().unwrap_or(1))),
        }
    }
    for (id, from) in movers {
        let mut further = (from..=BackendNumber::MAX).chain(1..from);
        if let Some(number) = further.find(|number| !taken.contains(number)) {
            taken.insert(number);
            numbers.insert(id, number);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::{Offset::*, *};

    fn given(tasks: &[(&'static str, Offset)]) -> Vec<(&'static str, BackendNumber)> {
        numbers(tasks.iter().copied()).into_iter().collect()
    }

    #[test]
    fn a_number_is_the_offset() {
        assert_eq!(given(&[("a", Ingress(7)), ("b", Other(7))]), [("a", 7), ("b", 263)]);
    }

    #[test]
    fn who_meets_another_moves_on() {
        let met = given(&[("c", Ingress(5)), ("a", Ingress(5)), ("b", Ingress(6))]);
        assert_eq!(met, [("a", 5), ("b", 6), ("c", 7)]);
        assert_eq!(given(&[("a", Other(4)), ("b", Ingress(260))]), [("a", 261), ("b", 260)]);
        assert_eq!(given(&[("a", Ingress(0)), ("b", Ingress(1))]), [("a", 2), ("b", 1)]);
        assert_eq!(given(&[("a", Other(u32::MAX))]), [("a", 1)]);
        assert_eq!(
            given(&[("a", Ingress(65535)), ("b", Ingress(65535))]),
            [("a", 65535), ("b", 1)]
        );
    }
}
