//! Networks one by one: subnets, VNIs and gateways left out are derived, and each is checked by
//! itself. What must differ between networks is checked in `subnets`.

use std::{collections::HashSet, net::Ipv4Addr};

use super::{
    entry::{FileEntry, NetworkEntry, SubnetEntry, Wanted},
    report::{At, Place, Report},
};
use crate::{
    model::{Network, NetworkSubnet, Subnet},
    source::derive::{self, Pool},
};

/// A network that has all it needs.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) network: Network,
    /// In the order of [`Network::subnets`].
    pub(super) places: Vec<SubnetPlaces>,
    /// What addresses are derived from.
    pub(super) pool: Pool,
}

/// Where a network's subnet says what it is; where it leaves something out, the network's name.
#[derive(Clone, Debug)]
pub(super) struct SubnetPlaces {
    pub(super) subnet: Place,
    pub(super) vni: Place,
}

/// Gives the networks that have all they need, in file order; what the others lack is reported.
pub(super) fn resolve(file: &FileEntry, report: &mut Report) -> Vec<Resolved> {
    let mut names = HashSet::new();
    let once = file.networks.iter().filter(|entry| names.insert(&entry.name.value));
    once.filter_map(|entry| one(entry, report)).collect()
}

fn one(entry: &NetworkEntry, report: &mut Report) -> Option<Resolved> {
    let mut parts = Vec::with_capacity(entry.subnets.len());
    for (position, part) in entry.subnets.iter().enumerate() {
        parts.push(subnet(&entry.name, position, part, report));
    }
    let (subnets, places): (Vec<_>, Vec<_>) =
        parts.into_iter().collect::<Option<Vec<_>>>()?.into_iter().unzip();
    let range = optional(&entry.range)?;
    let pool = pool(&subnets, range, report)?;
    let (&first, further) = subnets.split_first()?;
    let network = Network {
        name: entry.name.value.clone(),
        first,
        further: further.to_vec(),
        internal: entry.internal,
        mtu: entry.mtu,
        namespace: None,
    };
    Some(Resolved { network, places, pool })
}

fn subnet(
    name: &At<String>,
    position: usize,
    entry: &SubnetEntry,
    report: &mut Report,
) -> Option<(NetworkSubnet, SubnetPlaces)> {
    let subnet = value(&entry.subnet, &name.place, || derive::subnet(&name.value))?;
    let vni = value(&entry.vni, &name.place, || derive::vni(&name.value, position))?;
    let gateway = value(&entry.gateway, &name.place, || subnet.value.gateway())?;
    usable(&subnet, report);
    let is_usable = usable_gateway(&gateway, subnet.value, report);
    let places = SubnetPlaces { subnet: subnet.place, vni: vni.place };
    let part = NetworkSubnet { vni: vni.value, subnet: subnet.value, gateway: gateway.value };
    is_usable.then_some((part, places))
}

fn value<T: Copy>(wanted: &Wanted<T>, name: &Place, derive: impl Fn() -> T) -> Option<At<T>> {
    match wanted {
        Wanted::Explicit(at) => Some(at.clone()),
        Wanted::Derived => Some(At { value: derive(), place: name.clone() }),
        Wanted::Wrong => None,
    }
}

/// What is given, if anything is; `None` where it is wrong.
fn optional<T>(wanted: &Wanted<T>) -> Option<Option<&At<T>>> {
    match wanted {
        Wanted::Explicit(at) => Some(Some(at)),
        Wanted::Derived => Some(None),
        Wanted::Wrong => None,
    }
}

/// Reports a subnet that hosts cannot be in.
pub(super) fn usable(subnet: &At<Subnet>, report: &mut Report) {
    if !is_unicast(subnet.value.addr) {
        let message = format!("{} is not for hosts", subnet.value);
        report.add(&subnet.place, message, "choose a private subnet, such as one of 10.0.0.0/8");
    }
}

fn usable_gateway(gateway: &At<Ipv4Addr>, subnet: Subnet, report: &mut Report) -> bool {
    let problem = match gateway.value {
        addr if !subnet.contains(addr) => "lies outside",
        addr if addr == subnet.addr => "is the network address of",
        addr if addr == subnet.last() => "is the broadcast address of",
        _ => return true,
    };
    let message = format!("{} {problem} {subnet}", gateway.value);
    let (low, high) = (subnet.gateway(), Ipv4Addr::from(u32::from(subnet.last()) - 1));
    report.add(&gateway.place, message, format!("choose one from {low} to {high}"));
    false
}

/// Where addresses come from: the range, in whatever subnet it lies, or the first subnet.
fn pool(
    subnets: &[NetworkSubnet],
    range: Option<&At<Subnet>>,
    report: &mut Report,
) -> Option<Pool> {
    let Some(range) = range else { return Some(Pool::new(subnets.first()?, None)) };
    let inside = |part: &&NetworkSubnet| {
        part.subnet.contains(range.value.addr) && part.subnet.prefix <= range.value.prefix
    };
    let Some(part) = subnets.iter().find(inside) else {
        let message = format!("{} lies outside {}", range.value, listed(subnets));
        report.add(&range.place, message, "choose a part of the network's subnet");
        return None;
    };
    let pool = Pool::new(part, Some(range.value));
    if pool.is_empty() {
        let message = format!("{} has no address for a task", range.value);
        report.add(&range.place, message, "give it a shorter prefix");
        return None;
    }
    Some(pool)
}

/// Subnets as an error names them.
pub(super) fn listed<'a>(subnets: impl IntoIterator<Item = &'a NetworkSubnet>) -> String {
    let each: Vec<_> = subnets.into_iter().map(|part| part.subnet.to_string()).collect();
    each.join(", ")
}

/// Whether hosts can have the address: not "this network", loopback, multicast or reserved.
pub(super) fn is_unicast(address: Ipv4Addr) -> bool {
    !matches!(address.octets()[0], 0 | 127 | 224..)
}
