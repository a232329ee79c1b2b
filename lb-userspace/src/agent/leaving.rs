//! Removal in reverse: a task that leaves the file stays at its home as a draining backend, with
//! its leg, until the other nodes have had time to stop sending to it. Pure: the caller brings the
//! time.
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use crate::model::{DesiredState, Service, Task};

/// Local tasks that have left the file and are not gone yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaving {
    tasks: BTreeMap<String, Departure>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Departure {
    service: String,
    task: Task,
    due: Instant,
}

impl Leaving {
    /// Notes which of `node`'s tasks `after` lacks and `before` has; forgets those whose time is up
    /// and those that came back.
    pub(super) fn note(
        &mut self,
        before: &DesiredState,
        after: &DesiredState,
        node: &str,
        now: Instant,
    ) {
        let due = now + Duration::from_millis(after.cluster.hold_ms);
        let stays: BTreeSet<&str> =
            local(after, node).map(|(_, task)| task.name.as_str()).collect();
        for (service, task) in local(before, node) {
            let departure = Departure { service: service.into(), task: task.clone(), due };
            self.tasks.entry(task.name.clone()).or_insert(departure);
        }
        self.tasks.retain(|name, departure| departure.due > now && !stays.contains(name.as_str()));
    }

    /// `desired` with the leaving tasks as draining ones, where their service is still there and
    /// nobody has taken their name or number. An address that somebody has taken is theirs no more.
    #[must_use]
    pub(super) fn linger(&self, mut desired: DesiredState, now: Instant) -> DesiredState {
        let claimed = claimed(&desired);
        for Departure { service, task, .. } in self.at(now) {
            let named = desired.services.iter_mut().find(|other| other.name == *service);
            let Some(service) = named else { continue };
            let taken = |other: &Task| other.number == task.number || other.name == task.name;
            if !service.tasks.iter().any(taken) {
                let mut task = Task { weight: 0, ..task.clone() };
                task.addresses.retain(|network, addr| !claimed.contains(&(network.clone(), *addr)));
                service.tasks.push(task);
                service.tasks.sort_by_key(|task| task.number);
            }
        }
        desired
    }

    /// How many of them there are.
    pub(super) fn count(&self, now: Instant) -> usize {
        self.at(now).count()
    }

    /// When the next of them is gone for good.
    #[must_use]
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.at(now).map(|departure| departure.due).min()
    }

    fn at(&self, now: Instant) -> impl Iterator<Item = &Departure> {
        self.tasks.values().filter(move |departure| departure.due > now)
    }
}

/// Addresses of tasks and virtual IPs, with their networks.
fn claimed(desired: &DesiredState) -> BTreeSet<(String, Ipv4Addr)> {
    let of = |service: &Service| {
        let tasks = service.tasks.iter().map(|task| &task.addresses);
        tasks.chain([&service.vips]).flatten().map(|(net, addr)| (net.clone(), *addr)).collect()
    };
    desired.services.iter().flat_map::<Vec<_>, _>(of).collect()
}

/// `node`'s tasks with the names of their services.
fn local<'a>(
    desired: &'a DesiredState,
    node: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Task)> {
    let of = |service: &'a Service| service.tasks.iter().map(|task| (service.name.as_str(), task));
    desired.services.iter().flat_map(of).filter(move |(_, task)| task.node == node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::sample;

    const HOLD: Duration = Duration::from_millis(300);

    fn removed() -> (Leaving, DesiredState, Instant) {
        let before = sample::desired(&[("web.1", "n1"), ("web.2", "n1"), ("web.3", "n2")]);
        let after = sample::desired(&[("web.1", "n1")]);
        let now = Instant::now();
        let mut leaving = Leaving::default();
        leaving.note(&before, &after, "n1", now);
        (leaving, after, now)
    }

    #[test]
    fn a_removed_local_task_drains_for_the_hold() {
        let (leaving, after, now) = removed();
        assert_eq!(leaving.count(now), 1);
        let tasks = leaving.linger(after.clone(), now).services[0].tasks.clone();
        let weights: Vec<_> = tasks.iter().map(|task| (task.name.as_str(), task.weight)).collect();
        assert_eq!(weights, [("web.1", 1), ("web.2", 0)]);
        assert_eq!(leaving.next_due(now), Some(now + HOLD));
        assert_eq!(leaving.linger(after.clone(), now + HOLD), after);
        assert_eq!(leaving.count(now + HOLD), 0);
    }

    #[test]
    fn a_task_that_comes_back_is_not_leaving() {
        let (mut leaving, after, now) = removed();
        let back = sample::desired(&[("web.1", "n1"), ("web.2", "n1")]);
        leaving.note(&after, &back, "n1", now);
        assert_eq!(leaving.count(now), 0);
    }

    #[test]
    fn an_address_with_a_new_owner_is_let_go() {
        let addr = Ipv4Addr::new(10, 20, 0, 2);
        let mut before = sample::desired(&[("web.2", "n1")]);
        before.services[0].tasks[0].addresses.insert("front".into(), addr);
        let mut after = sample::desired(&[("web.3", "n2")]);
        (after.services[0].tasks[0].number, after.services[0].tasks[0].addresses) =
            (9, before.services[0].tasks[0].addresses.clone());
        let (mut leaving, now) = (Leaving::default(), Instant::now());
        leaving.note(&before, &after, "n1", now);
        let tasks = leaving.linger(after, now).services[0].tasks.clone();
        let held: Vec<_> = tasks.iter().map(|task| (&*task.name, task.addresses.len())).collect();
        assert_eq!(held, [("web.2", 0), ("web.3", 1)]);
    }

    #[test]
    fn a_number_with_a_new_owner_is_let_go() {
        let (leaving, mut after, now) = removed();
        let mut heir = after.services[0].tasks[0].clone();
        (heir.name, heir.number) = ("web.9".into(), 2);
        after.services[0].tasks.push(heir);
        assert_eq!(leaving.linger(after.clone(), now), after);
    }
}
