//! Virtual IPs, task addresses and backend numbers: explicit ones are checked, the others derived,
//! and whatever meets at one value is reported with both sides.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
};

use super::{
    entry::{ServiceEntry, TaskEntry},
    networks::Resolved,
    report::{At, Place, Report},
    suggest::did_you_mean,
};
use crate::{
    model::{EndpointMode, Network, Subnet},
    source::derive,
};

/// What a service and its tasks are given.
#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) vips: BTreeMap<String, Ipv4Addr>,
    /// In the order of the entry's tasks.
    pub(super) tasks: Vec<AssignedTask>,
}

/// What a task is given.
#[derive(Debug)]
pub(super) struct AssignedTask {
    pub(super) addresses: BTreeMap<String, Ipv4Addr>,
    /// `None` where an error has been reported.
    pub(super) number: Option<u16>,
}

/// Assigns addresses and numbers across all services; who has what is told apart by network.
#[derive(Debug)]
pub(super) struct Assigner<'a> {
    networks: HashMap<&'a str, &'a Network>,
    taken: Taken<'a>,
}

/// Who has an address in a network, and the place that says so.
type Taken<'a> = HashMap<(&'a str, Ipv4Addr), (Claimant<'a>, Place)>;

/// A service that wants VIPs, or a task that wants addresses.
#[derive(Clone, Copy, Debug)]
struct Claimant<'a> {
    /// The key that gives them, `vip` or `addresses`.
    key: &'static str,
    name: &'a At<String>,
    explicit: &'a [(String, At<Ipv4Addr>)],
}

impl<'a> Assigner<'a> {
    /// Nothing assigned yet.
    pub(super) fn new(networks: &'a [Resolved]) -> Self {
        let by_name = networks.iter().map(|net| (net.network.name.as_str(), &net.network));
        Self { networks: by_name.collect(), taken: HashMap::new() }
    }

    /// Assigns what one service needs.
    pub(super) fn service(&mut self, service: &'a ServiceEntry, report: &mut Report) -> Assigned {
        let vips = self.vips(service, report);
        let tasks = service.tasks.iter().map(|task| self.task(service, task, report)).collect();
        let assigned = Assigned { vips, tasks };
        unique_numbers(service, &assigned, report);
        assigned
    }

    fn vips(
        &mut self,
        service: &'a ServiceEntry,
        report: &mut Report,
    ) -> BTreeMap<String, Ipv4Addr> {
        if service.mode == EndpointMode::Dnsrr {
            for (_, vip) in &service.vip {
                let fix = "remove it or use mode = \"vip\"";
                report.add(&vip.place, "a service with mode = \"dnsrr\" has no VIP", fix);
            }
            return BTreeMap::new();
        }
        let derived = |net: &Network| derive::vip(&net.name, net.first.subnet, &service.name.value);
        let claimant = Claimant { key: "vip", name: &service.name, explicit: &service.vip };
        self.addresses(&service.networks, claimant, derived, report)
    }

    fn task(
        &mut self,
        service: &'a ServiceEntry,
        task: &'a TaskEntry,
        report: &mut Report,
    ) -> AssignedTask {
        let derived =
            |net: &Network| derive::task_address(&net.name, net.first.subnet, &task.name.value);
        let claimant = Claimant { key: "addresses", name: &task.name, explicit: &task.addresses };
        let addresses = self.addresses(&service.networks, claimant, derived, report);
        let number = self.number(service, task, &addresses, report);
        AssignedTask { addresses, number }
    }

    /// Addresses of a service or a task in the service's networks.
    fn addresses(
        &mut self,
        networks: &'a [At<String>],
        claimant: Claimant<'a>,
        derived: impl Fn(&Network) -> Ipv4Addr,
        report: &mut Report,
    ) -> BTreeMap<String, Ipv4Addr> {
        foreign_networks(networks, claimant.explicit, report);
        let mut addresses = BTreeMap::new();
        for network in networks.iter().filter_map(|name| self.networks.get(name.value.as_str())) {
            let given = claimant.explicit.iter().find(|(name, _)| *name == network.name);
            let address = match given {
                Some((_, given)) => checked(given.clone(), network.first.subnet, report),
                None => Some(At { value: derived(network), place: claimant.name.place.clone() }),
            };
            let Some(address) = address else { continue };
            addresses.insert(network.name.clone(), address.value);
            take(&mut self.taken, network, address, claimant, report);
        }
        addresses
    }

    fn network(&self, name: &str) -> Option<&'a Network> {
        self.networks.get(name).copied()
    }

    fn number(
        &self,
        service: &ServiceEntry,
        task: &TaskEntry,
        addresses: &BTreeMap<String, Ipv4Addr>,
        report: &mut Report,
    ) -> Option<u16> {
        if let Some(number) = &task.number {
            return Some(number.value);
        }
        let Some(first) = service.networks.first() else {
            return Some(derive::number_of_name(&task.name.value));
        };
        let address = *addresses.get(&first.value)?;
        let number = derive::number_of_address(self.network(&first.value)?.first.subnet, address);
        if number.is_none() {
            let message =
                format!("its address {address} is too far into the subnet for a backend number");
            report.add(&task.name.place, message, "add number = N, unique in the service");
        }
        number
    }
}

/// Two owners of one address are an error that names both; so is one name twice, which has been
/// reported.
fn take<'a>(
    taken: &mut Taken<'a>,
    network: &'a Network,
    address: At<Ipv4Addr>,
    claimant: Claimant<'a>,
    report: &mut Report,
) {
    let (name, value) = (network.name.as_str(), address.value);
    let Some((first, place)) = taken.get(&(name, value)) else {
        taken.insert((name, value), (claimant, address.place));
        return;
    };
    let key = claimant.key;
    if first.key == key && first.name.value == claimant.name.value {
        return;
    }
    let owner = place.reference();
    let message = format!("its address {value} in network {name:?} is also that of {owner}");
    let subnet = network.first.subnet;
    let fix =
        format!("give one of them another: {key} = {{ {name:?} = \"A.B.C.D\" }}, in {subnet}");
    report.add(&address.place, message, fix);
}

fn foreign_networks(
    networks: &[At<String>],
    explicit: &[(String, At<Ipv4Addr>)],
    report: &mut Report,
) {
    let own = || networks.iter().map(|net| net.value.as_str());
    for (name, address) in explicit.iter().filter(|(name, _)| !own().any(|own| own == name)) {
        let message = format!("{name:?} is not a network of the service");
        let fix = match networks.is_empty() {
            true => format!("add networks = [{name:?}] to the service or remove the address"),
            false => did_you_mean(name, own()),
        };
        report.add(&address.place, message, fix);
    }
}

/// An explicit address, unless it is not for a task or a VIP in `subnet`.
fn checked(address: At<Ipv4Addr>, subnet: Subnet, report: &mut Report) -> Option<At<Ipv4Addr>> {
    let offset = u32::from(address.value) & !u32::from_be_bytes(subnet.mask());
    let last = !u32::from_be_bytes(subnet.mask());
    let problem = match offset {
        _ if !subnet.contains(address.value) => "lies outside the network's subnet",
        0 => "is the network address of",
        1 => "is the gateway's address in",
        offset if offset == last => "is the broadcast address of",
        _ => return Some(address),
    };
    let message = format!("{} {problem} {subnet}", address.value);
    let (low, high) = (u32::from(subnet.addr) + 2, u32::from(subnet.addr) + last - 1);
    let fix = format!("choose one from {} to {}", Ipv4Addr::from(low), Ipv4Addr::from(high));
    report.add(&address.place, message, fix);
    None
}

/// Two tasks of one service with one number, unless that follows from one name or one address,
/// which has been reported.
fn unique_numbers(service: &ServiceEntry, assigned: &Assigned, report: &mut Report) {
    let mut first: HashMap<u16, &TaskEntry> = HashMap::new();
    for (task, given) in service.tasks.iter().zip(&assigned.tasks) {
        let Some(number) = given.number else { continue };
        let Some(earlier) = first.get(&number) else {
            first.insert(number, task);
            continue;
        };
        let from_address = |task: &TaskEntry| task.number.is_none() && !service.networks.is_empty();
        let one_name = task.name.value == earlier.name.value;
        if one_name || (from_address(task) && from_address(earlier)) {
            continue;
        }
        let place = task.number.as_ref().map_or(&task.name.place, |number| &number.place);
        let owner = earlier.name.place.reference();
        let message = format!("its backend number {number} is also that of {owner}");
        report.add(place, message, "give one of them another: number = N");
    }
}
