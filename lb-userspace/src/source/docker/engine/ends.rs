//! Tasks of this node that end before the Swarm knows: a container died, its first process is gone, it
//! was told to stop. The managers' API tells of it when the engine has reported it, which an engine that
//! starts again does seconds after it has killed what it found.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How long an end is told: the Swarm knows it long before. It is also how long a container that was
/// told to stop, and went on, gets no new flows.
const TOLD: Duration = Duration::from_secs(60);
/// How many are told at most, the newest ones, so that a greeting stays short.
const MOST: usize = 400;

/// Which tasks ended, and which are about to, with the time when that was noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::source::docker) struct Ends {
    ended: BTreeMap<String, Instant>,
    stopping: BTreeMap<String, Instant>,
}

impl Ends {
    /// Tasks that have ended. A task never starts again: the Swarm puts another one in its place.
    pub(in crate::source::docker) fn ended(&self) -> BTreeSet<String> {
        self.ended.keys().cloned().collect()
    }

    /// Tasks that were told to stop and run still.
    pub(in crate::source::docker) fn stopping(&self) -> BTreeSet<String> {
        self.stopping.keys().cloned().collect()
    }

    /// A task's container has ended.
    pub(in crate::source::docker) fn end(&mut self, task: &str, now: Instant) {
        self.stopping.remove(task);
        note(&mut self.ended, task, now);
    }

    /// A task's container was told to stop.
    pub(in crate::source::docker) fn stop(&mut self, task: &str, now: Instant) {
        if !self.ended.contains_key(task) {
            note(&mut self.stopping, task, now);
        }
    }

    /// Of the tasks that ran `before` these run now. What is new is no matter here.
    pub(super) fn looked(
        &mut self,
        before: &BTreeSet<String>,
        running: &BTreeSet<String>,
        now: Instant,
    ) {
        self.ended.retain(|_, noticed| now.duration_since(*noticed) < TOLD);
        self.stopping.retain(|_, noticed| now.duration_since(*noticed) < TOLD);
        before.difference(running).for_each(|task| self.end(task, now));
    }
}

fn note(noticed: &mut BTreeMap<String, Instant>, task: &str, now: Instant) {
    noticed.entry(task.to_owned()).or_insert(now);
    if noticed.len() > MOST {
        let oldest = noticed.iter().min_by_key(|(_, noticed)| **noticed);
        let oldest = oldest.map(|(task, _)| task.clone());
        oldest.and_then(|task| noticed.remove(&task));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
        ids.map(Into::into).into()
    }

    #[test]
    fn a_task_ends_when_it_runs_no_longer_and_not_before_it_is_seen() {
        let (mut ends, now) = (Ends::default(), Instant::now());
        ends.stop("a", now);
        ends.looked(&set(["a", "b"]), &set(["b", "new"]), now);
        assert_eq!((ends.ended(), ends.stopping()), (set(["a"]), set([])));
        // The signal that came with its end is told later.
        ends.stop("a", now);
        assert_eq!(ends.stopping(), set([]));
    }

    #[test]
    fn an_end_is_told_for_a_while() {
        let (mut ends, now) = (Ends::default(), Instant::now());
        ends.end("a", now);
        ends.stop("b", now + TOLD / 2);
        ends.end("a", now + TOLD / 2);
        let running = set(["b"]);
        ends.looked(&running, &running, now + TOLD);
        assert_eq!((ends.ended(), ends.stopping()), (set([]), set(["b"])));
        ends.looked(&running, &running, now + TOLD * 3 / 2);
        assert_eq!(ends, Ends::default());
    }

    #[test]
    fn of_very_many_the_newest_are_told() {
        let (mut ends, now) = (Ends::default(), Instant::now());
        let last = u64::try_from(MOST).expect("a number");
        (0..=last).for_each(|at| ends.end(&at.to_string(), now + Duration::from_millis(at)));
        assert_eq!(ends.ended().len(), MOST);
        assert!(!ends.ended().contains("0") && ends.ended().contains(&last.to_string()));
    }
}
