//! Virtual IPs and the addresses of tasks in networks: explicit ones are checked, the others
//! derived, and whatever meets at one value is reported with both sides (`claims`).

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
};

use lb_common::addr::{Mac, mac_of};

use super::{
    claims::{Claimant, Claims},
    entry::{ServiceEntry, TaskEntry},
    networks::{Resolved, listed},
    numbers,
    report::{At, Report},
    section::ByNetwork,
    suggest::did_you_mean,
};
use crate::{
    model::{EndpointMode, Network, NetworkSubnet},
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
    /// Those that do not follow from the address.
    pub(super) macs: BTreeMap<String, Mac>,
    /// `None` where an error has been reported.
    pub(super) number: Option<u16>,
}

/// Assigns addresses and numbers across all services; who has what is told apart by network.
#[derive(Debug)]
pub(super) struct Assigner<'a> {
    networks: HashMap<&'a str, &'a Resolved>,
    claims: Claims<'a>,
}

impl<'a> Assigner<'a> {
    /// Nothing assigned yet but the gateways.
    pub(super) fn new(networks: &'a [Resolved]) -> Self {
        let mut claims = Claims::default();
        for Resolved { network, places, .. } in networks {
            for (part, places) in network.subnets().zip(places) {
                claims.gateway(network, part.gateway, &places.subnet);
            }
        }
        let by_name = networks.iter().map(|net| (net.network.name.as_str(), net));
        Self { networks: by_name.collect(), claims }
    }

    /// Assigns what one service needs.
    pub(super) fn service(&mut self, service: &'a ServiceEntry, report: &mut Report) -> Assigned {
        let vips = self.vips(service, report);
        let tasks = service.tasks.iter().map(|task| self.task(service, task, report)).collect();
        let assigned = Assigned { vips, tasks };
        numbers::unique(service, &assigned, report);
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
        let derived =
            |net: &Resolved| derive::vip(&net.network.name, net.pool, &service.name.value);
        let claimant = Claimant { key: "vip", name: &service.name };
        let addresses = self.addresses(&service.networks, &service.vip, claimant, derived, report);
        for (network, address) in &addresses {
            self.claim_mac(network, None, *address, claimant, report);
        }
        addresses
    }

    fn task(
        &mut self,
        service: &'a ServiceEntry,
        task: &'a TaskEntry,
        report: &mut Report,
    ) -> AssignedTask {
        let derived =
            |net: &Resolved| derive::task_address(&net.network.name, net.pool, &task.name.value);
        let claimant = Claimant { key: "addresses", name: &task.name };
        let addresses =
            self.addresses(&service.networks, &task.addresses, claimant, derived, report);
        let macs = self.macs(service, task, &addresses, report);
        let first = service.networks.first().map(|name| self.network(&name.value));
        let number = numbers::of_task(task, first, &addresses, report);
        AssignedTask { addresses, macs, number }
    }

    /// Addresses of a service or a task in the service's networks.
    fn addresses(
        &mut self,
        networks: &'a [At<String>],
        explicit: &'a ByNetwork<Ipv4Addr>,
        claimant: Claimant<'a>,
        derived: impl Fn(&Resolved) -> Ipv4Addr,
        report: &mut Report,
    ) -> BTreeMap<String, Ipv4Addr> {
        foreign_networks(networks, explicit, report);
        let mut addresses = BTreeMap::new();
        for resolved in networks.iter().filter_map(|name| self.networks.get(name.value.as_str())) {
            let network = &resolved.network;
            let given = explicit.iter().find(|(name, _)| *name == network.name);
            let address = match given {
                Some((_, given)) => checked(given, network, report),
                None => Some(At { value: derived(resolved), place: claimant.name.place.clone() }),
            };
            let Some(address) = address else { continue };
            addresses.insert(network.name.clone(), address.value);
            self.claims.address(network, address, claimant, report);
        }
        addresses
    }

    /// A task's Ethernet addresses that are not those of its addresses; all are claimed.
    fn macs(
        &mut self,
        service: &'a ServiceEntry,
        task: &'a TaskEntry,
        addresses: &BTreeMap<String, Ipv4Addr>,
        report: &mut Report,
    ) -> BTreeMap<String, Mac> {
        foreign_networks(&service.networks, &task.macs, report);
        let mut macs = BTreeMap::new();
        let claimant = Claimant { key: "macs", name: &task.name };
        for (network, address) in addresses {
            let given = task.macs.iter().find(|(name, _)| name == network).map(|(_, mac)| mac);
            macs.extend(given.map(|mac| (network.clone(), mac.value)));
            self.claim_mac(network, given, *address, claimant, report);
        }
        macs
    }

    fn claim_mac(
        &mut self,
        network: &str,
        given: Option<&At<Mac>>,
        address: Ipv4Addr,
        claimant: Claimant<'a>,
        report: &mut Report,
    ) {
        let Some(network) = self.network(network) else { return };
        let derived = || At { value: mac_of(address.octets()), place: claimant.name.place.clone() };
        self.claims.mac(network, given.cloned().unwrap_or_else(derived), claimant, report);
    }

    fn network(&self, name: &str) -> Option<&'a Network> {
        self.networks.get(name).map(|resolved| &resolved.network)
    }
}

fn foreign_networks<T>(networks: &[At<String>], explicit: &ByNetwork<T>, report: &mut Report) {
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

/// An explicit address, unless it is not for a task or a VIP in the network.
fn checked(address: &At<Ipv4Addr>, network: &Network, report: &mut Report) -> Option<At<Ipv4Addr>> {
    let addr = address.value;
    let Some(part) = network.subnet_of(addr) else {
        let several = if network.further.is_empty() { "" } else { "s" };
        let message = format!(
            "{addr} lies outside the network's subnet{several} {}",
            listed(network.subnets())
        );
        report.add(&address.place, message, choices(&network.first));
        return None;
    };
    let problem = match addr {
        addr if addr == part.gateway => "is the gateway's address in",
        addr if addr == part.subnet.addr => "is the network address of",
        addr if addr == part.subnet.last() => "is the broadcast address of",
        _ => return Some(address.clone()),
    };
    report.add(&address.place, format!("{addr} {problem} {}", part.subnet), choices(part));
    None
}

/// Which addresses a task or a VIP may have.
fn choices(part: &NetworkSubnet) -> String {
    let (low, high) = (u32::from(part.subnet.addr) + 1, u32::from(part.subnet.last()) - 1);
    let gateway = u32::from(part.gateway);
    let range = |low: u32, high: u32| {
        format!("choose one from {} to {}", Ipv4Addr::from(low), Ipv4Addr::from(high))
    };
    match gateway {
        gateway if gateway == low => range(low + 1, high),
        gateway if gateway == high => range(low, high - 1),
        _ => format!("{} but not the gateway's {}", range(low, high), part.gateway),
    }
}
