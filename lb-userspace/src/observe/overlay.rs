//! Networks and who is in them, in the snapshot: what `network` views, and virtual IPs in the views of
//! services, start from.
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use lb_common::{
    addr::V4,
    backend::NODE_SELF,
    endpoint::{ANY_VNI, ENDPOINT_TASK, ENDPOINT_VIP, Endpoint, EndpointKey},
};

use super::{ObserveError, ServiceRecord, Snapshot};
use crate::{fit::vip_name, model::Subnet};

/// A subnet of a network.
#[derive(Clone, Debug)]
pub struct NetworkRecord {
    /// Name of the network.
    pub name: String,
    /// The subnet.
    pub subnet: Subnet,
    /// Its gateway.
    pub gateway: Ipv4Addr,
    /// No way out.
    pub internal: bool,
}

/// Who has an address.
#[derive(Clone, Debug)]
pub struct EndpointRecord {
    /// The task's or the service's name; empty for gateways and the network itself.
    pub name: String,
    /// As the packet path sees it.
    pub endpoint: Endpoint,
}

/// A virtual IP and the service that it is.
#[derive(Clone, Copy, Debug)]
pub struct Vip<'a> {
    /// Its network.
    pub network: &'a str,
    /// Index of its service, `NAME@NETWORK`.
    pub index: u16,
    /// That service.
    pub record: &'a ServiceRecord,
    /// The address; `None` where no endpoint has it (yet).
    pub address: Option<Ipv4Addr>,
}

impl ServiceRecord {
    /// Service and network, if this is a virtual IP: `NAME@NETWORK`. A host-mode port
    /// (`NAME@host:PORT/PROTO`) is none.
    #[must_use]
    pub fn vip_of(&self) -> Option<(&str, &str)> {
        self.name.split_once('@').filter(|(_, network)| !network.contains(':'))
    }
}

impl Snapshot {
    /// The virtual IPs of the service of that name, by network.
    pub fn vips_of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = Vip<'a>> {
        let vip = move |(&index, record): (&u16, &'a ServiceRecord)| {
            let network = self.vip_network(record, service)?;
            Some(Vip { network, index, record, address: self.vip_address(index) })
        };
        self.services.iter().filter_map(vip)
    }

    /// The network that `record` is the virtual IP of `service` in. Names that were cut to fit the maps
    /// ([`crate::fit`]) are found again by cutting.
    fn vip_network<'a>(&'a self, record: &'a ServiceRecord, service: &str) -> Option<&'a str> {
        let (name, network) = record.vip_of()?;
        if name == service && !network.contains('~') {
            return Some(network);
        }
        let mut networks = self.networks.values().map(|network| network.name.as_str());
        let whole = networks.find(|network| vip_name(service, network) == record.name);
        whole.or_else(|| (name == service).then_some(network))
    }

    fn vip_address(&self, index: u16) -> Option<Ipv4Addr> {
        let is_it = |record: &EndpointRecord| {
            record.endpoint.kind == ENDPOINT_VIP && record.endpoint.service == index
        };
        self.members().find(|(_, record)| is_it(record)).map(|(addr, _)| addr)
    }

    /// Everybody once, with the address; also the networks themselves, whose address is unspecified.
    pub fn members(&self) -> impl Iterator<Item = (Ipv4Addr, &EndpointRecord)> {
        let once = self
            .endpoints
            .iter()
            .filter(|(key, record)| [record.endpoint.vni, ANY_VNI].contains(&key.vni));
        once.map(|(key, record)| (key.addr.into(), record))
    }

    /// Addresses of tasks by their name, then by network.
    #[must_use]
    pub fn task_addresses(&self) -> BTreeMap<&str, BTreeMap<String, Ipv4Addr>> {
        let mut addresses: BTreeMap<&str, BTreeMap<String, Ipv4Addr>> = BTreeMap::new();
        for (addr, task) in self.members().filter(|(_, record)| is_task(record)) {
            let network = self.network_name(task.endpoint.vni);
            addresses.entry(&task.name).or_default().insert(network, addr);
        }
        addresses
    }

    /// Names of tasks that have a leg in some network at this node.
    #[must_use]
    pub fn attached(&self) -> BTreeSet<&str> {
        let legs = self.members().filter(|(_, task)| is_task(task) && self.has_leg(task));
        legs.map(|(_, task)| task.name.as_str()).collect()
    }

    /// Whether a task's endpoint has a leg at this node. Docker makes its legs before a task runs, and
    /// what it makes is not in the maps.
    pub(super) fn has_leg(&self, task: &EndpointRecord) -> bool {
        let is_docker_s = self.is_beside_docker() && task.endpoint.node == NODE_SELF;
        task.endpoint.ifindex != 0 || is_docker_s
    }

    /// Whether a Docker Engine makes legs and networks here.
    #[must_use]
    pub fn is_beside_docker(&self) -> bool {
        self.endpoints.keys().any(|key| key.vni == ANY_VNI)
    }

    /// VNI of the network in which `addr` was meant, where a flow tells `vni`: beside Docker flows tell
    /// none, and the address does.
    #[must_use]
    pub fn vni_of(&self, vni: u32, addr: V4) -> u32 {
        let record = self.endpoints.get(&EndpointKey { vni, addr });
        record.filter(|_| vni == ANY_VNI).map_or(vni, |record| record.endpoint.vni)
    }

    /// Name of the network with that VNI, or the VNI where no name is known.
    #[must_use]
    pub fn network_name(&self, vni: u32) -> String {
        self.networks.get(&vni).map_or_else(|| format!("#{vni}"), |record| record.name.clone())
    }

    /// Subnets of the network of that name, by address.
    ///
    /// # Errors
    /// [`ObserveError::UnknownNetwork`], naming the networks there are.
    pub fn network(&self, name: &str) -> Result<Vec<(u32, &NetworkRecord)>, ObserveError> {
        let parts = self.networks.iter().filter(|(_, record)| record.name == name);
        let mut parts: Vec<_> = parts.map(|(&vni, record)| (vni, record)).collect();
        parts.sort_by_key(|(_, record)| record.subnet);
        if parts.is_empty() {
            let known: BTreeSet<_> =
                self.networks.values().map(|record| record.name.as_str()).collect();
            return Err(ObserveError::unknown_network(name, known.into_iter()));
        }
        Ok(parts)
    }

    /// Name of whoever has that address under that VNI, or the address where nobody has it.
    #[must_use]
    pub fn member_name(&self, vni: u32, addr: V4) -> String {
        let record = self.endpoints.get(&EndpointKey { vni, addr });
        record.map_or_else(|| Ipv4Addr::from(addr).to_string(), |record| record.name.clone())
    }
}

fn is_task(record: &EndpointRecord) -> bool {
    record.endpoint.kind == ENDPOINT_TASK
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn virtual_ips_are_told_from_services_and_host_mode_ports() {
        let named = |name: &str| ServiceRecord { name: name.into(), ..Default::default() };
        assert_eq!(named("web@net").vip_of(), Some(("web", "net")));
        assert_eq!(named("web@host").vip_of(), Some(("web", "host")));
        assert_eq!(named("web@host:80/tcp").vip_of(), None);
        assert_eq!(named("web").vip_of(), None);
    }

    #[test]
    fn a_service_knows_its_virtual_ips() {
        let snapshot = sample::snapshot();
        let vips: Vec<_> = snapshot.vips_of("web").collect();
        let [vip] = &vips[..] else { panic!("one virtual IP expected: {vips:?}") };
        assert_eq!((vip.network, vip.index, vip.address), ("net", 4, Some(sample::VIP.into())));
        assert_eq!(snapshot.vips_of("cli").count(), 0);
    }

    #[test]
    fn virtual_ips_with_cut_names_are_those_of_their_service() {
        let (service, network) = ("s".repeat(63), "n".repeat(40));
        let mut snapshot = sample::snapshot();
        for record in snapshot.networks.values_mut() {
            record.name.clone_from(&network);
        }
        let cut = vip_name(&service, &network);
        snapshot.services.get_mut(&4).expect("there").name = cut;
        let vips: Vec<_> = snapshot.vips_of(&service).collect();
        assert_eq!(vips.iter().map(|vip| vip.network).collect::<Vec<_>>(), [network]);
        assert_eq!(snapshot.vips_of(&service[..62]).count(), 0);
    }

    #[test]
    fn beside_docker_members_are_found_without_a_vni() {
        let snapshot = sample::beside_docker();
        assert!(snapshot.is_beside_docker() && !sample::snapshot().is_beside_docker());
        assert_eq!(snapshot.members().count(), 4);
        assert_eq!(snapshot.attached(), ["cli.1", "web.1"].into());
        assert_eq!(snapshot.vips_of("web").count(), 1);
        assert_eq!(snapshot.vni_of(ANY_VNI, sample::TASKS[1]), sample::VNIS[1]);
        assert_eq!(snapshot.vni_of(7, sample::TASKS[1]), 7);
    }

    #[test]
    fn members_count_once_though_every_vni_has_them() {
        let snapshot = sample::snapshot();
        assert_eq!(snapshot.endpoints.len(), 14);
        assert_eq!(snapshot.members().count(), 2 + 2 + 1 + 3);
        let addresses = snapshot.task_addresses();
        assert_eq!(addresses["web.2"], [("net".to_owned(), sample::TASKS[1].into())].into());
        assert_eq!(snapshot.attached(), ["cli.1", "web.1"].into());
    }

    #[test]
    fn an_unknown_network_names_the_known_ones() {
        let error = sample::snapshot().network("nett").unwrap_err();
        assert_eq!(error.to_string(), "no network `nett` here; there are: net");
    }
}
