//! Home first: a task that is new on another node is known here at once and used a little later,
//! so that no flow reaches a home that has not read the file yet. Pure: the caller brings the time.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::model::DesiredState;

/// A task at a node; a task that moves is new at the other node.
type Seat = (String, String);

/// When each remote task may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holds {
    /// `None`: it was in force before.
    due: BTreeMap<Seat, Option<Instant>>,
}

impl Holds {
    /// Starts with tasks, each with the name of its node, that are in force already.
    #[must_use]
    pub(super) fn with_known(known: impl IntoIterator<Item = Seat>) -> Self {
        Self { due: known.into_iter().map(|seat| (seat, None)).collect() }
    }

    /// Starts with everything that `desired` names: where nothing was forwarded before, nothing is
    /// gained by waiting.
    #[must_use]
    pub(super) fn with_all(desired: &DesiredState) -> Self {
        Self::with_known(seats(desired))
    }

    /// Names of the tasks on nodes other than `node` that must not own rows at `now`.
    pub(super) fn held(
        &mut self,
        desired: &DesiredState,
        node: &str,
        now: Instant,
    ) -> BTreeSet<String> {
        let hold = Duration::from_millis(desired.cluster.hold_ms);
        let present: BTreeSet<Seat> = seats(desired).collect();
        self.due.retain(|seat, _| present.contains(seat));
        for seat in present {
            let due = if seat.1 == node { None } else { Some(now + hold) };
            self.due.entry(seat).or_insert(due);
        }
        let waits = |due: &Option<Instant>| due.is_some_and(|due| due > now);
        self.due.iter().filter(|(_, due)| waits(due)).map(|((task, _), _)| task.clone()).collect()
    }

    /// When the next hold after `now` ends.
    #[must_use]
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.due.values().flatten().copied().filter(|due| *due > now).min()
    }
}

fn seats(desired: &DesiredState) -> impl Iterator<Item = Seat> {
    let tasks = desired.services.iter().flat_map(|service| &service.tasks);
    tasks.map(|task| (task.name.clone(), task.node.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::sample;

    const HOLD: Duration = Duration::from_millis(300);

    #[test]
    fn a_new_remote_task_is_held_once_and_a_local_one_never() {
        let mut holds = Holds::default();
        let desired = sample::desired(&[("web.1", "n1"), ("web.2", "n2")]);
        let start = Instant::now();
        assert_eq!(holds.held(&desired, "n1", start), ["web.2".to_string()].into());
        assert_eq!(holds.next_due(start), Some(start + HOLD));
        assert!(holds.held(&desired, "n1", start + HOLD).is_empty());
        assert_eq!(holds.next_due(start + HOLD), None);
        assert!(holds.held(&desired, "n1", start + HOLD * 9).is_empty());
    }

    #[test]
    fn what_was_in_force_before_is_not_held() {
        let desired = sample::desired(&[("web.2", "n2")]);
        let now = Instant::now();
        assert!(Holds::with_all(&desired).held(&desired, "n1", now).is_empty());
    }

    #[test]
    fn a_task_that_moves_is_new_again() {
        let now = Instant::now();
        let mut holds = Holds::with_all(&sample::desired(&[("web.1", "n2")]));
        let moved = sample::desired(&[("web.1", "n3")]);
        assert_eq!(holds.held(&moved, "n1", now), ["web.1".to_string()].into());
        assert!(Holds::default().held(&moved, "n3", now).is_empty(), "home uses it at once");
    }
}
