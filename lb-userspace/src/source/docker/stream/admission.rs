//! Who is let in, and how many at a time; and that a peer that is refused again and again fills no log.
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::subject::{Role, Subject};

/// Connections of one address whose certificate is not known yet.
const UNKNOWN_PER_ADDRESS: usize = 8;
/// Connections of all addresses whose certificate is not known yet.
const UNKNOWN: usize = 256;
/// Connections of one node: a former agent's, this one's and a goodbye.
const PER_NODE: usize = 4;
/// How often a peer's refusal is logged.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// Peers whose refusals are remembered.
const LOGGED_MAX: usize = 1024;

/// Why a peer with a genuine certificate is not let in by a manager.
///
/// # Errors
/// The reason.
pub(super) fn may_listen(
    peer: &Subject,
    own: &Subject,
    known: &BTreeSet<String>,
) -> Result<(), String> {
    if peer.cluster != own.cluster {
        return Err(format!("{peer} is of another Swarm than {own}"));
    }
    if !known.contains(&peer.node) {
        return Err(format!("{peer} is no node of the Swarm, or was removed from it"));
    }
    Ok(())
}

/// Whether what a peer with a genuine certificate publishes may be believed. `expected` is its node
/// id; empty where that is not known.
///
/// # Errors
/// The reason.
pub(super) fn may_publish(peer: &Subject, own: &Subject, expected: &str) -> Result<(), String> {
    if peer.cluster != own.cluster {
        return Err(format!("{peer} is of another Swarm than {own}"));
    }
    if peer.role != Role::Manager {
        return Err(format!("{peer} is no manager"));
    }
    if peer.node == own.node {
        return Err(format!("{peer} is this node itself"));
    }
    if !expected.is_empty() && peer.node != expected {
        return Err(format!("{peer} is not the manager {expected} that the engine tells of"));
    }
    Ok(())
}

/// Counts connections by what they come from; a place in it is given back when dropped.
#[derive(Debug, Default)]
pub(super) struct Admission {
    addresses: Arc<Mutex<BTreeMap<Ipv4Addr, usize>>>,
    nodes: Arc<Mutex<BTreeMap<String, usize>>>,
    logged: Mutex<BTreeMap<Ipv4Addr, Instant>>,
}

/// The right to a connection.
#[derive(Debug)]
pub(super) struct Seat<K: Ord> {
    key: K,
    taken: Arc<Mutex<BTreeMap<K, usize>>>,
}

impl Admission {
    /// A place for a connection that has yet to show a certificate; `None`: there are too many.
    pub(super) fn unknown(&self, address: Ipv4Addr) -> Option<Seat<Ipv4Addr>> {
        seat(&self.addresses, address, UNKNOWN_PER_ADDRESS, UNKNOWN)
    }

    /// A place for a connection of a node; `None`: there are too many.
    pub(super) fn node(&self, node: &str) -> Option<Seat<String>> {
        seat(&self.nodes, node.to_owned(), PER_NODE, usize::MAX)
    }

    /// Whether the refusal of a peer is to be logged now.
    pub(super) fn is_news(&self, address: Ipv4Addr, now: Instant) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.retain(|_, at| now.duration_since(*at) < LOG_EVERY);
        let is_news = logged.len() < LOGGED_MAX && !logged.contains_key(&address);
        if is_news {
            logged.insert(address, now);
        }
        is_news
    }
}

fn seat<K: Ord + Clone>(
    taken: &Arc<Mutex<BTreeMap<K, usize>>>,
    key: K,
    most: usize,
    most_in_all: usize,
) -> Option<Seat<K>> {
    let mut seats = taken.lock().unwrap_or_else(PoisonError::into_inner);
    if seats.values().sum::<usize>() >= most_in_all {
        return None;
    }
    let count = seats.entry(key.clone()).or_default();
    if *count >= most {
        return None;
    }
    *count += 1;
    Some(Seat { key, taken: taken.clone() })
}

impl<K: Ord> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut seats = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = seats.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                seats.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
    const B: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

    fn subject(cluster: &str, role: Role, node: &str) -> Subject {
        Subject { cluster: cluster.into(), role, node: node.into() }
    }

    #[test]
    fn only_known_nodes_of_this_swarm_listen() {
        let own = subject("swarm", Role::Manager, "own");
        let known = ["n1".to_owned()].into();
        let reason = |cluster, node| {
            may_listen(&subject(cluster, Role::Worker, node), &own, &known).unwrap_err()
        };
        assert_eq!(may_listen(&subject("swarm", Role::Worker, "n1"), &own, &known), Ok(()));
        assert_eq!(may_listen(&subject("swarm", Role::Manager, "n1"), &own, &known), Ok(()));
        assert!(reason("other", "n1").contains("another Swarm"));
        assert!(reason("swarm", "n2").contains("removed"));
    }

    #[test]
    fn only_the_expected_manager_publishes() {
        let own = subject("swarm", Role::Worker, "own");
        let may = |cluster, role, node, expected| {
            may_publish(&subject(cluster, role, node), &own, expected)
        };
        assert_eq!(may("swarm", Role::Manager, "m1", "m1"), Ok(()));
        assert_eq!(may("swarm", Role::Manager, "m1", ""), Ok(()));
        assert!(may("other", Role::Manager, "m1", "m1").unwrap_err().contains("another Swarm"));
        assert!(may("swarm", Role::Worker, "m1", "m1").unwrap_err().contains("no manager"));
        assert!(may("swarm", Role::Manager, "own", "").unwrap_err().contains("itself"));
        assert!(may("swarm", Role::Manager, "m2", "m1").unwrap_err().contains("m1 that"));
    }

    #[test]
    fn places_are_few_and_given_back() {
        let admission = Admission::default();
        let mut seats: Vec<_> = (0..PER_NODE).map(|_| admission.node("n").unwrap()).collect();
        assert!(admission.node("n").is_none() && admission.node("m").is_some());
        seats.pop();
        assert!(admission.node("n").is_some());
        drop(seats);
        assert!(admission.nodes.lock().unwrap().is_empty());

        let _all: Vec<_> =
            (0..UNKNOWN_PER_ADDRESS).map(|_| admission.unknown(A).unwrap()).collect();
        assert!(admission.unknown(A).is_none() && admission.unknown(B).is_some());
    }

    #[test]
    fn the_places_of_all_addresses_are_counted_together() {
        let admission = Admission::default();
        let address = |number: usize| Ipv4Addr::from(u32::try_from(number / 8).unwrap());
        let seats: Vec<_> = (0..UNKNOWN).map_while(|n| admission.unknown(address(n))).collect();
        assert_eq!(seats.len(), UNKNOWN);
        assert!(admission.unknown(B).is_none());
    }

    #[test]
    fn a_refusal_is_news_once_a_minute() {
        let (admission, now) = (Admission::default(), Instant::now());
        assert!(admission.is_news(A, now) && !admission.is_news(A, now + LOG_EVERY / 2));
        assert!(admission.is_news(B, now) && admission.is_news(A, now + LOG_EVERY));
    }
}
