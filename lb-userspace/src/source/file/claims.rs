//! Who has which address and which Ethernet address in a network. Two owners of one are an error
//! that names both; so is one name twice, which has been reported.

use std::{collections::HashMap, net::Ipv4Addr};

use lb_common::addr::{Mac, mac_of};

use super::report::{At, Place, Report};
use crate::model::Network;

/// What is taken.
#[derive(Debug, Default)]
pub(super) struct Claims<'a> {
    addresses: HashMap<(&'a str, Ipv4Addr), Holder<'a>>,
    macs: HashMap<(&'a str, Mac), Holder<'a>>,
}

/// A service that wants a VIP, or a task that wants an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimant<'a> {
    /// The key that gives it: `vip`, `addresses` or `macs`.
    pub(super) key: &'static str,
    pub(super) name: &'a At<String>,
}

#[derive(Debug)]
struct Holder<'a> {
    place: Place,
    /// `None`: a gateway.
    claimant: Option<Claimant<'a>>,
}

impl<'a> Claims<'a> {
    /// A gateway's Ethernet address; its address is refused to others with words of its own.
    pub(super) fn gateway(&mut self, network: &'a Network, gateway: Ipv4Addr, place: &Place) {
        let holder = Holder { place: place.clone(), claimant: None };
        self.macs.insert((&network.name, mac_of(gateway.octets())), holder);
    }

    /// Takes an address.
    pub(super) fn address(
        &mut self,
        network: &'a Network,
        address: At<Ipv4Addr>,
        claimant: Claimant<'a>,
        report: &mut Report,
    ) {
        let (name, key, value) = (network.name.as_str(), claimant.key, address.value);
        let Some(owner) = take(&mut self.addresses, (name, value), &address.place, claimant) else {
            return;
        };
        let message = format!("its address {value} in network {name:?} is also that of {owner}");
        let subnet = network.first.subnet;
        let fix =
            format!("give one of them another: {key} = {{ {name:?} = \"A.B.C.D\" }}, in {subnet}");
        report.add(&address.place, message, fix);
    }

    /// Takes an Ethernet address. Where two follow from one address, that has been reported.
    pub(super) fn mac(
        &mut self,
        network: &'a Network,
        mac: At<Mac>,
        claimant: Claimant<'a>,
        report: &mut Report,
    ) {
        let name = network.name.as_str();
        let place = &mac.place;
        let is_derived = *place == claimant.name.place;
        if is_derived && self.macs.get(&(name, mac.value)).is_some_and(Holder::is_derived) {
            return;
        }
        let Some(owner) = take(&mut self.macs, (name, mac.value), place, claimant) else { return };
        let [a, b, c, d, e, f] = mac.value;
        let message = format!(
            "its Ethernet address {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x} in network \
             {name:?} is also that of {owner}"
        );
        report.add(place, message, "give the task another in macs, or remove that");
    }
}

impl Holder<'_> {
    fn is_derived(&self) -> bool {
        self.claimant.is_none_or(|claimant| claimant.name.place == self.place)
    }
}

/// Takes what nobody has, or tells who has it.
fn take<'a, T: Copy + Eq + std::hash::Hash>(
    taken: &mut HashMap<(&'a str, T), Holder<'a>>,
    wanted: (&'a str, T),
    place: &Place,
    claimant: Claimant<'a>,
) -> Option<String> {
    let Some(holder) = taken.get(&wanted) else {
        taken.insert(wanted, Holder { place: place.clone(), claimant: Some(claimant) });
        return None;
    };
    let Some(first) = holder.claimant else {
        return Some(format!("the gateway of {}", holder.place.reference()));
    };
    let same_name = first.key == claimant.key && first.name.value == claimant.name.value;
    (!same_name).then(|| holder.place.reference())
}
