//! The order of steps: what is named before what names it, removals in reverse and last. Each
//! function below is one phase; a phase that has nothing to do leaves no step.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::{row::BackendNumber, service::FLAG_INGRESS};

use super::{Change, is_vip};
use crate::compile::{EndpointContents, MapContents, ServiceContents};

/// Steps between two contents in which no service index changes hands.
pub(super) fn between(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    let mut steps = set_networks(current, wanted);
    steps.extend(set_peers(current, wanted));
    steps.extend(set_endpoints(current, wanted, |held| !is_vip(held)));
    steps.extend(open_ingress(current, wanted));
    steps.extend(set_backends(current, wanted));
    steps.extend(set_rows(current, wanted));
    steps.extend(set_services(current, wanted));
    steps.extend(set_ports(current, wanted));
    steps.extend(set_endpoints(current, wanted, is_vip));
    steps.extend(remove_ports(current, wanted));
    steps.extend(remove_endpoints(current, wanted, is_vip));
    steps.extend(settled(
        [remove_services(current, wanted), remove_backends(current, wanted)].concat(),
    ));
    steps.extend(settled(remove_endpoints(current, wanted, |held| !is_vip(held))));
    steps.extend(settled(
        [remove_peers(current, wanted), remove_networks(current, wanted)].concat(),
    ));
    steps
}

/// Elements of `wanted` that `current` lacks or has otherwise.
fn changed<'a, K: Ord + Copy, V: PartialEq>(
    current: &'a BTreeMap<K, V>,
    wanted: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (K, &'a V)> {
    wanted
        .iter()
        .filter(|&(key, value)| current.get(key) != Some(value))
        .map(|(&key, value)| (key, value))
}

/// Keys of `current` that `wanted` lacks.
fn gone<'a, K: Ord + Copy, V>(
    current: &'a BTreeMap<K, V>,
    wanted: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = K> + 'a {
    current.keys().copied().filter(|key| !wanted.contains_key(key))
}

/// Services of `wanted` with what `current` has at their index.
fn pairs<'a>(
    current: &'a MapContents,
    wanted: &'a MapContents,
) -> impl Iterator<Item = (u16, Option<&'a ServiceContents>, &'a ServiceContents)> {
    wanted.services.iter().map(|(&index, new)| (index, current.services.get(&index), new))
}

/// The removals with a [`Change::Settle`] before them; nothing where there are none.
fn settled(mut removals: Vec<Change>) -> Vec<Change> {
    if !removals.is_empty() {
        removals.insert(0, Change::Settle);
    }
    removals
}

fn set_networks(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    changed(&current.networks, &wanted.networks)
        .map(|(vni, network)| Change::SetNetwork { vni, network: network.clone() })
        .collect()
}

/// New and changed addresses of those that `which` picks.
fn set_endpoints(
    current: &MapContents,
    wanted: &MapContents,
    which: impl Fn(&EndpointContents) -> bool,
) -> Vec<Change> {
    changed(&current.endpoints, &wanted.endpoints)
        .filter(|(_, held)| which(held))
        .map(|(key, held)| Change::SetEndpoint { key, endpoint: held.clone() })
        .collect()
}

fn set_peers(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    changed(&current.peers, &wanted.peers)
        .map(|(index, peer)| Change::SetPeer { index, peer: peer.clone() })
        .collect()
}

fn set_backends(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    let none = BTreeMap::new();
    pairs(current, wanted)
        .filter_map(move |(service, old, new)| {
            let held = old.map_or(&none, |old| &old.backends);
            let backends: BTreeMap<_, _> = changed(held, &new.backends)
                .map(|(number, backend)| (number, backend.clone()))
                .collect();
            (!backends.is_empty()).then_some(Change::SetBackends { service, backends })
        })
        .collect()
}

fn set_rows(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    pairs(current, wanted)
        .filter(|(_, old, new)| old.map_or(&[][..], |old| &old.rows) != new.rows)
        .map(|(service, _, new)| Change::SetRows { service, rows: new.rows.clone() })
        .collect()
}

/// Before the first backend on a node without agent comes, its flows are looked for: one that began
/// meanwhile would find its second packet led elsewhere.
fn open_ingress(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    pairs(current, wanted)
        .filter_map(|(service, old, new)| Some((service, old?, opened(old?, new))))
        .filter(|(_, old, flags)| *flags != old.flags)
        .map(|(service, old, flags)| head(service, old, flags))
        .collect()
}

/// The flags of `old` after that step.
fn opened(old: &ServiceContents, new: &ServiceContents) -> u8 {
    let is_there = old.scheduler != 0;
    old.flags | if is_there { new.flags & FLAG_INGRESS } else { 0 }
}

fn set_services(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    let same = |old: &ServiceContents, new: &ServiceContents| {
        head(0, old, opened(old, new)) == head(0, new, new.flags)
    };
    pairs(current, wanted)
        .filter(|(_, old, new)| old.is_none_or(|old| !same(old, new)))
        .map(|(service, _, new)| head(service, new, new.flags))
        .collect()
}

fn head(service: u16, contents: &ServiceContents, flags: u8) -> Change {
    let ServiceContents { name, seed, scheduler, .. } = contents.clone();
    Change::SetService { service, name, seed, scheduler, flags }
}

fn set_ports(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    changed(&current.ports, &wanted.ports)
        .map(|(index, &port)| Change::SetPort { index, port })
        .collect()
}

fn remove_ports(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    gone(&current.ports, &wanted.ports).map(|index| Change::RemovePort { index }).collect()
}

fn remove_services(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    gone(&current.services, &wanted.services)
        .map(|service| Change::RemoveService { service })
        .collect()
}

fn remove_backends(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    pairs(current, wanted)
        .filter_map(|(service, old, new)| {
            let numbers: BTreeSet<BackendNumber> = gone(&old?.backends, &new.backends).collect();
            (!numbers.is_empty()).then_some(Change::RemoveBackends { service, numbers })
        })
        .collect()
}

/// Addresses that nobody has any more, of those that `which` picks.
fn remove_endpoints(
    current: &MapContents,
    wanted: &MapContents,
    which: impl Fn(&EndpointContents) -> bool,
) -> Vec<Change> {
    gone(&current.endpoints, &wanted.endpoints)
        .filter(|key| current.endpoints.get(key).is_some_and(&which))
        .map(|key| Change::RemoveEndpoint { key })
        .collect()
}

fn remove_networks(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    gone(&current.networks, &wanted.networks).map(|vni| Change::RemoveNetwork { vni }).collect()
}

fn remove_peers(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    gone(&current.peers, &wanted.peers).map(|index| Change::RemovePeer { index }).collect()
}
