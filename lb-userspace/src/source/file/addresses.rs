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
    taken: HashMap<(&'a str, Ipv4Addr), At<&'static str>>,
}

impl<'a> Assigner<'a> {
    /// Nothing assigned yet.
    pub(super) fn new(networks: &'a [Resolved]) -> Self {
        let by_name = networks.iter().map(|net| (net.network.name.as_str(), &net.network));
        Self { networks: by_name.collect(), taken: HashMap::new() }
    }

    /// Assigns what one service needs.
    pub(super) fn service(&mut self, service: &ServiceEntry, report: &mut Report) -> Assigned {
        let vips = self.vips(service, report);
        let tasks = service.tasks.iter().map(|task| self.task(service, task, report)).collect();
        let assigned = Assigned { vips, tasks };
        unique_numbers(service, &assigned, report);
        assigned
    }

    fn vips(&mut self, service: &ServiceEntry, report: &mut Report) -> BTreeMap<String, Ipv4Addr> {
        if service.mode == EndpointMode::Dnsrr {
            for (_, vip) in &service.vip {
                let fix = "remove it or use mode = \"vip\"";
                report.add(&vip.place, "a service with mode = \"dnsrr\" has no VIP", fix);
            }
            return BTreeMap::new();
        }
        let derived = |net: &Network| derive::vip(&net.name, net.subnet, &service.name.value);
        self.addresses(service, &service.vip, ("vip", &service.name.place), derived, report)
    }

    fn task(
        &mut self,
        service: &ServiceEntry,
        task: &TaskEntry,
        report: &mut Report,
    ) -> AssignedTask {
        let derived = |net: &Network| derive::task_address(&net.name, net.subnet, &task.name.value);
        let key = ("addresses", &task.name.place);
        let addresses = self.addresses(service, &task.addresses, key, derived, report);
        let number = self.number(service, task, &addresses, report);
        AssignedTask { addresses, number }
    }

    fn addresses(
        &mut self,
        service: &ServiceEntry,
        explicit: &[(String, At<Ipv4Addr>)],
        (key, owner): (&'static str, &Place),
        derived: impl Fn(&Network) -> Ipv4Addr,
        report: &mut Report,
    ) -> BTreeMap<String, Ipv4Addr> {
        foreign_networks(service, explicit, report);
        let mut addresses = BTreeMap::new();
        for name in &service.networks {
            let Some(network) = self.network(&name.value) else { continue };
            let given = explicit.iter().find(|(name, _)| *name == network.name);
            let address = match given {
                Some((_, given)) => checked(given.clone(), network.subnet, report),
                None => Some(At { value: derived(network), place: owner.clone() }),
            };
            let Some(address) = address else { continue };
            addresses.insert(network.name.clone(), address.value);
            self.take(network, address, key, report);
        }
        addresses
    }

    /// Two owners of one address are an error that names both.
    fn take(
        &mut self,
        network: &'a Network,
        address: At<Ipv4Addr>,
        key: &'static str,
        report: &mut Report,
    ) {
        let name = network.name.as_str();
        let value = address.value;
        let Some(first) = self.taken.get(&(name, value)) else {
            self.taken.insert((name, value), At { value: key, place: address.place });
            return;
        };
        let owner = first.place.reference();
        let message = format!("its address {value} in network {name:?} is also that of {owner}");
        let fix = format!(
            "give one of them another: {key} = {{ {name:?} = \"A.B.C.D\" }}, in {}",
            network.subnet
        );
        report.add(&address.place, message, fix);
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
        let number = derive::number_of_address(self.network(&first.value)?.subnet, address);
        if number.is_none() {
            let message =
                format!("its address {address} is too far into the subnet for a backend number");
            report.add(&task.name.place, message, "add number = N, unique in the service");
        }
        number
    }
}

fn foreign_networks(
    service: &ServiceEntry,
    explicit: &[(String, At<Ipv4Addr>)],
    report: &mut Report,
) {
    let own = || service.networks.iter().map(|net| net.value.as_str());
    for (name, address) in explicit.iter().filter(|(name, _)| !own().any(|own| own == name)) {
        let message = format!("{name:?} is not a network of the service");
        let fix = match service.networks.is_empty() {
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

/// Two tasks of one service with one number, unless that follows from one address, which has been
/// reported.
fn unique_numbers(service: &ServiceEntry, assigned: &Assigned, report: &mut Report) {
    let mut first: HashMap<u16, &TaskEntry> = HashMap::new();
    for (task, given) in service.tasks.iter().zip(&assigned.tasks) {
        let Some(number) = given.number else { continue };
        let Some(earlier) = first.get(&number) else {
            first.insert(number, task);
            continue;
        };
        let from_address = |task: &TaskEntry| task.number.is_none() && !service.networks.is_empty();
        if from_address(task) && from_address(earlier) {
            continue;
        }
        let place = task.number.as_ref().map_or(&task.name.place, |number| &number.place);
        let owner = earlier.name.place.reference();
        let message = format!("its backend number {number} is also that of {owner}");
        report.add(place, message, "give one of them another: number = N");
    }
}
