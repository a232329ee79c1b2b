//! Reads what is pinned under a pin root into plain values. Never writes.
use std::{collections::BTreeMap, collections::HashMap, path::Path};

use lb_common::{
    addr::V4,
    backend::Backend,
    drops::DROPS_LEN,
    endpoint::{Endpoint, EndpointKey, VipFlowKey, VipFlowValue},
    flow::{
        FlowKey, FlowValue, FragKey, FragValue, NatKey, NatValue, SnatInKey, SnatInValue,
        SnatOutKey, SnatOutValue, SocketKey, SocketValue,
    },
    info::{EndpointInfo, NetworkInfo, NodeInfo, ServiceInfo, TaskInfo, TaskKey, unpack_name},
    peer::Peer,
    port::{PORTS_LEN, TCP, UDP},
    row::{BackendNumber, Row},
    service::{Range, Service},
    stats::ServiceStats,
};

use super::{
    EndpointRecord, HomeFlow, MapLine, NetworkRecord, NodeRecord, ObserveError, PortRecord,
    ServiceRecord, Snapshot, TaskRecord, VipFlow,
};
use crate::dataplane::{self, Inventory, LinkEntry, MapEntry, Maps, MapsError};
use crate::model::Subnet;

/// The pins of one data plane.
#[derive(Debug)]
pub struct Pins {
    pins: dataplane::Pins,
    maps: Maps,
}

impl Pins {
    /// The pins under `root`.
    ///
    /// # Errors
    /// [`ObserveError::NothingPinned`], or [`ObserveError::OtherLayout`] where another version of
    /// swarmlb has pinned its maps.
    pub fn open(root: &Path) -> Result<Self, ObserveError> {
        let pins = dataplane::Pins::new(root);
        if pins.maps_dir().is_dir() {
            let maps = Maps::open(&pins)?;
            return Ok(Self { pins, maps });
        }
        match pins.layouts()?.first().and_then(|path| path.file_name()) {
            Some(found) => Err(ObserveError::OtherLayout {
                root: root.into(),
                found: found.to_string_lossy().into_owned(),
            }),
            None => Err(ObserveError::NothingPinned { root: root.into() }),
        }
    }

    /// Names, services and published ports.
    ///
    /// # Errors
    /// [`ObserveError::Maps`].
    pub fn snapshot(&self) -> Result<Snapshot, ObserveError> {
        Ok(Snapshot {
            services: self.services()?,
            ports: self.ports(),
            tasks: self.tasks()?,
            nodes: self.nodes()?,
            networks: self.networks()?,
            endpoints: self.endpoints()?,
        })
    }

    fn services(&self) -> Result<BTreeMap<u16, ServiceRecord>, ObserveError> {
        let record = |(index, info): (u32, ServiceInfo)| {
            let service = self.maps.services.get(index).unwrap_or_default();
            (index as u16, ServiceRecord { name: unpack_name(&info.name).into(), service })
        };
        Ok(self.pins.entries("SERVICE_INFO")?.into_iter().map(record).collect())
    }

    fn ports(&self) -> Vec<PortRecord> {
        let record = |(index, published)| {
            let proto = if index < PORTS_LEN / 2 { TCP } else { UDP };
            PortRecord { proto, port: index as u16, published }
        };
        self.maps.ports.iter().filter(|(_, port)| port.is_published()).map(record).collect()
    }

    fn tasks(&self) -> Result<BTreeMap<(u16, BackendNumber), TaskRecord>, ObserveError> {
        let record = |(key, info): (TaskKey, TaskInfo)| {
            let task = TaskRecord {
                name: unpack_name(&info.name).into(),
                node: unpack_name(&info.node).into(),
                addr: info.addr.into(),
                weight: info.weight,
                state: info.state,
            };
            ((key.service, key.backend), task)
        };
        Ok(self.pins.entries("TASK_INFO")?.into_iter().map(record).collect())
    }

    fn nodes(&self) -> Result<BTreeMap<u16, NodeRecord>, ObserveError> {
        let record = |(index, info): (u32, NodeInfo)| {
            let name = unpack_name(&info.name).into();
            (index as u16, NodeRecord { name, addr: info.addr.into() })
        };
        Ok(self.pins.entries("NODE_INFO")?.into_iter().map(record).collect())
    }

    fn networks(&self) -> Result<BTreeMap<u32, NetworkRecord>, ObserveError> {
        let record = |(vni, info): (u32, NetworkInfo)| {
            let network = NetworkRecord {
                name: unpack_name(&info.name).into(),
                subnet: Subnet { addr: info.subnet.into(), prefix: info.prefix },
                gateway: info.gateway.into(),
                internal: info.internal != 0,
            };
            (vni, network)
        };
        Ok(self.pins.entries("NETWORK_INFO")?.into_iter().map(record).collect())
    }

    fn endpoints(&self) -> Result<BTreeMap<EndpointKey<V4>, EndpointRecord>, ObserveError> {
        let names = self.pins.entries::<EndpointKey<V4>, EndpointInfo>("ENDPOINT_INFO")?;
        let record = |(key, endpoint): (EndpointKey<V4>, Endpoint)| {
            let name = names.get(&key).map_or("", |info| unpack_name(&info.name));
            (key, EndpointRecord { name: name.into(), endpoint })
        };
        Ok(self.pins.entries("ENDPOINTS")?.into_iter().map(record).collect())
    }

    /// The peers of the snapshot's nodes, by peer index.
    #[must_use]
    pub fn peers(&self, snapshot: &Snapshot) -> BTreeMap<u16, Peer> {
        let peer = |&index: &u16| Some((index, self.maps.peers.get(index.into())?));
        snapshot.nodes.keys().filter_map(peer).collect()
    }

    /// The rows of `service`; empty where it has none.
    #[must_use]
    pub fn rows(&self, service: &Service) -> Vec<Row> {
        let range = Range::unpack(service.rows);
        let indices = range.into_iter().flat_map(|range| range.base..range.base + range.len());
        indices.filter_map(|index| self.maps.rows.get(index)).collect()
    }

    /// The backends of `service` with these numbers.
    #[must_use]
    pub fn backends(
        &self,
        service: &Service,
        numbers: impl Iterator<Item = BackendNumber>,
    ) -> BTreeMap<BackendNumber, Backend> {
        let Some(range) = Range::unpack(service.backends) else { return BTreeMap::new() };
        let backend = |number: BackendNumber| {
            Some((number, self.maps.backends.get(range.at(number.into())?)?))
        };
        numbers.filter_map(backend).collect()
    }

    /// Counters of the snapshot's services, summed over CPUs.
    ///
    /// # Errors
    /// [`ObserveError::Maps`].
    pub fn stats(&self, snapshot: &Snapshot) -> Result<BTreeMap<u16, ServiceStats>, ObserveError> {
        let indices = || snapshot.services.keys().copied();
        let stats = self.pins.per_cpu::<ServiceStats>("STATS", indices().map(u32::from))?;
        let sums = stats
            .iter()
            .map(|cpus| cpus.iter().copied().fold(ServiceStats::default(), ServiceStats::plus));
        Ok(indices().zip(sums).collect())
    }

    /// Drops by reason, summed over CPUs.
    ///
    /// # Errors
    /// [`ObserveError::Maps`].
    pub fn drops(&self) -> Result<Vec<u64>, ObserveError> {
        let drops = self.pins.per_cpu::<u64>("DROPS", 0..DROPS_LEN)?;
        Ok(drops.iter().map(|cpus| cpus.iter().sum()).collect())
    }

    /// All flows of this node's tasks.
    ///
    /// # Errors
    /// [`ObserveError::Maps`].
    pub fn flows(&self) -> Result<Vec<HomeFlow>, ObserveError> {
        let mut flows = HashMap::new();
        // A flow that is promoted meanwhile is in both; the later state counts.
        for (map, embryo) in [("EMBRYO", true), ("NAT", false)] {
            let entries = self.pins.entries::<NatKey<V4>, NatValue<V4>>(map)?;
            flows.extend(entries.into_iter().map(|(key, value)| (key, (value, embryo))));
        }
        let flow = |(key, (value, embryo))| HomeFlow { key, value, embryo };
        Ok(flows.into_iter().map(flow).collect())
    }

    /// Flows of this node's tasks to virtual IPs.
    ///
    /// # Errors
    /// [`ObserveError::Maps`].
    pub fn vip_flows(&self) -> Result<Vec<VipFlow>, ObserveError> {
        let entries = self.pins.entries("VIPFLOWS")?;
        Ok(entries.into_iter().map(|(key, value)| VipFlow { key, value }).collect())
    }

    /// The pinned links.
    ///
    /// # Errors
    /// [`ObserveError::Inventory`].
    pub fn links(&self) -> Result<Vec<LinkEntry>, ObserveError> {
        Ok(self.pins.links()?)
    }

    /// Links, programs and maps.
    ///
    /// # Errors
    /// [`ObserveError::Inventory`].
    pub fn inventory(&self) -> Result<Inventory, ObserveError> {
        Ok(self.pins.inventory()?)
    }

    /// How full `maps` are.
    ///
    /// # Errors
    /// [`ObserveError::Maps`].
    pub fn map_use(&self, maps: &[MapEntry]) -> Result<Vec<MapLine>, ObserveError> {
        let line = |map: &MapEntry| Ok(MapLine::new(map, self.used(&map.name)?));
        maps.iter().map(line).collect()
    }

    /// Entries of a map of the packet path's; `None` for others, which the agent fills.
    fn used(&self, name: &str) -> Result<Option<usize>, MapsError> {
        let pins = &self.pins;
        Ok(Some(match name {
            "NAT" => pins.entries::<NatKey<V4>, NatValue<V4>>("NAT")?.len(),
            "EMBRYO" => pins.entries::<NatKey<V4>, NatValue<V4>>("EMBRYO")?.len(),
            "FLOWS" => pins.entries::<FlowKey<V4>, FlowValue>("FLOWS")?.len(),
            "SNAT_OUT" => pins.entries::<SnatOutKey<V4>, SnatOutValue>("SNAT_OUT")?.len(),
            "SNAT_IN" => pins.entries::<SnatInKey, SnatInValue<V4>>("SNAT_IN")?.len(),
            "FRAGS" => pins.entries::<FragKey<V4>, FragValue>("FRAGS")?.len(),
            "SOCKETS" => pins.entries::<SocketKey<V4>, SocketValue<V4>>("SOCKETS")?.len(),
            "VIPFLOWS" => pins.entries::<VipFlowKey<V4>, VipFlowValue<V4>>("VIPFLOWS")?.len(),
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_empty_root_holds_nothing() {
        let root = tempfile::tempdir().unwrap();
        let error = Pins::open(root.path()).unwrap_err();
        assert!(matches!(error, ObserveError::NothingPinned { .. }), "{error}");
    }

    #[test]
    fn pins_of_another_layout_are_named_with_the_fix() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("v999")).unwrap();
        let error = Pins::open(root.path()).unwrap_err().to_string();
        assert!(error.contains("v999") && error.contains("swarmlb detach"), "{error}");
    }
}
