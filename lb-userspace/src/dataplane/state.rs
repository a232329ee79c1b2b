//! Reads back what the maps hold, in the terms of `compile`: after a restart the agent goes on from
//! there, and before each update it finds drift.

use std::{collections::BTreeMap, io::ErrorKind};

use aya::{Pod, maps::MapError};
use lb_common::{
    addr::V4,
    backend::{Backend, STATE_NONE},
    endpoint::{Endpoint, EndpointKey},
    info::{Name, NetworkInfo, TaskInfo, TaskKey, unpack_name},
    leg::leg_index,
    peer::{PEER_INGRESS, PEER_PRESENT, PEER_SILENT, Peer},
    port::PublishedPort,
    row::{BackendNumber, Row},
    service::{FLAG_INGRESS, Range, Service},
};

use super::maps::{Maps, MapsError, PinnedHash};
use crate::{
    compile::{
        BackendContents, EndpointContents, MapContents, NetworkContents, PeerContents, Previous,
        PreviousService, ServiceContents,
    },
    model::{Reach, Subnet},
};

impl Maps {
    /// What the maps hold now.
    ///
    /// # Errors
    /// [`MapsError::Element`] when the kernel refuses a look-up.
    pub fn contents(&self) -> Result<MapContents, MapsError> {
        let services = self
            .services_in_use()
            .map(|(index, service)| Ok((index, self.service_contents(index, &service)?)));
        let peers = self
            .peers_in_use()
            .filter_map(|(index, peer)| self.peer_contents(index, peer).transpose());
        let endpoints = entries(&self.endpoints, "ENDPOINTS")?
            .into_iter()
            .map(|(key, endpoint)| Ok((key, self.endpoint_contents(&key, endpoint)?)));
        let networks = entries(&self.network_info, "NETWORK_INFO")?.into_iter();
        let ports = self.ports.iter().filter(|(_, port)| *port != PublishedPort::default());
        Ok(MapContents {
            ports: ports.collect(),
            services: services.collect::<Result<_, MapsError>>()?,
            peers: peers.collect::<Result<_, _>>()?,
            networks: networks.map(|(vni, info)| (vni, network_contents(&info))).collect(),
            endpoints: endpoints.collect::<Result<_, MapsError>>()?,
        })
    }

    /// What `compile` needs of it: indices, rows, and who had which backend number.
    ///
    /// # Errors
    /// As [`Maps::contents`].
    pub fn previous(&self) -> Result<Previous, MapsError> {
        let mut services = BTreeMap::new();
        for (index, service) in self.services_in_use() {
            let name = self.service_name(index)?;
            if !name.is_empty() {
                services.insert(name, self.previous_service(index, &service)?);
            }
        }
        Ok(Previous {
            services,
            peers: self.peers_in_use().map(|(index, peer)| (peer.addr, index)).collect(),
        })
    }

    fn previous_service(
        &self,
        index: u16,
        service: &Service,
    ) -> Result<PreviousService, MapsError> {
        let held = self.backends_of(service).map(|(number, backend)| {
            let name = self.task(index, number)?.map(|task| unpack_name(&task.name).to_owned());
            Ok((number, (name.unwrap_or_default(), backend.generation)))
        });
        let backends = held.collect::<Result<_, MapsError>>()?;
        let (rows, by_ingress) = (self.rows_of(service), service.flags & FLAG_INGRESS != 0);
        Ok(PreviousService { index, rows, backends, by_ingress })
    }

    fn service_contents(
        &self,
        index: u16,
        service: &Service,
    ) -> Result<ServiceContents, MapsError> {
        let held = self.backends_of(service).filter(|(_, backend)| backend.state != STATE_NONE);
        let backends = held.map(|(number, backend)| {
            Ok((number, self.backend_contents(&backend, self.task(index, number)?)))
        });
        Ok(ServiceContents {
            name: self.service_name(index)?,
            seed: service.seed,
            scheduler: service.scheduler,
            flags: service.flags,
            rows: self.rows_of(service),
            backends: backends.collect::<Result<_, MapsError>>()?,
        })
    }

    fn backend_contents(&self, backend: &Backend, task: Option<TaskInfo>) -> BackendContents {
        let name =
            |name: Option<&Name>| name.map(|name| unpack_name(name).to_owned()).unwrap_or_default();
        let addr = task.map_or([0; 4], |task| task.addr);
        let [high, low] = backend.leg.to_be_bytes();
        BackendContents {
            task: name(task.as_ref().map(|task| &task.name)),
            node: name(task.as_ref().map(|task| &task.node)),
            peer: backend.node,
            // An index without its address is drift: it must differ from any leg that is wanted.
            leg: match backend.leg {
                0 => (addr != [0; 4]).then_some(addr),
                leg if leg == leg_index(addr) => Some(addr),
                _ => Some([0, 0, high, low]),
            },
            addr: backend.addr,
            flags: backend.flags,
            state: backend.state,
            weight: task.map_or(0, |task| task.weight),
            generation: backend.generation,
        }
    }

    fn peer_contents(
        &self,
        index: u16,
        Peer { addr, flags, .. }: Peer,
    ) -> Result<Option<(u16, PeerContents)>, MapsError> {
        // Without its way back from the address a node is not there.
        if found(self.peer_index.get(&addr, 0), "PEER_INDEX")? != Some(index.into()) {
            return Ok(None);
        }
        let info = found(self.node_info.get(&index.into(), 0), "NODE_INFO")?;
        let name = info.map(|info| unpack_name(&info.name).to_owned()).unwrap_or_default();
        let reach = match (flags & PEER_INGRESS != 0, flags & PEER_SILENT != 0) {
            (false, _) => Reach::Mesh,
            (true, false) => Reach::Ingress,
            (true, true) => Reach::Silent,
        };
        Ok(Some((index, PeerContents { name, addr, reach })))
    }

    fn endpoint_contents(
        &self,
        key: &EndpointKey<V4>,
        endpoint: Endpoint,
    ) -> Result<EndpointContents, MapsError> {
        let info = found(self.endpoint_info.get(key, 0), "ENDPOINT_INFO")?;
        let name = info.map(|info| unpack_name(&info.name).to_owned()).unwrap_or_default();
        Ok(EndpointContents { name, endpoint })
    }

    pub(super) fn services_in_use(&self) -> impl Iterator<Item = (u16, Service)> + '_ {
        let in_use = |service: &Service| {
            service.scheduler != 0 || service.rows != 0 || service.backends != 0
        };
        self.services
            .iter()
            .filter(move |(_, service)| in_use(service))
            .map(|(index, service)| (index as u16, service))
    }

    /// Other nodes; element 0 is this one.
    fn peers_in_use(&self) -> impl Iterator<Item = (u16, Peer)> + '_ {
        let present = self.peers.iter().skip(1).filter(|(_, peer)| peer.flags & PEER_PRESENT != 0);
        present.map(|(index, peer)| (index as u16, peer))
    }

    fn rows_of(&self, service: &Service) -> Vec<Row> {
        let Some(range) = Range::unpack(service.rows) else { return Vec::new() };
        (0..range.len()).filter_map(|offset| self.rows.get(range.base + offset)).collect()
    }

    /// Elements of the service's backend range that some task has or had.
    pub(super) fn backends_of(
        &self,
        service: &Service,
    ) -> impl Iterator<Item = (BackendNumber, Backend)> + '_ {
        let range = Range::unpack(service.backends);
        let elements = range
            .into_iter()
            .flat_map(|range| (0..range.len()).map(move |offset| (offset, range.base + offset)));
        let read =
            elements.filter_map(|(offset, index)| Some((offset as u16, self.backends.get(index)?)));
        read.filter(|(_, backend)| *backend != Backend::default())
    }

    fn service_name(&self, index: u16) -> Result<String, MapsError> {
        let info = found(self.service_info.get(&index.into(), 0), "SERVICE_INFO")?;
        Ok(info.map(|info| unpack_name(&info.name).to_owned()).unwrap_or_default())
    }

    fn task(&self, service: u16, backend: BackendNumber) -> Result<Option<TaskInfo>, MapsError> {
        found(self.task_info.get(&TaskKey { service, backend }, 0), "TASK_INFO")
    }
}

fn network_contents(info: &NetworkInfo) -> NetworkContents {
    NetworkContents {
        name: unpack_name(&info.name).to_owned(),
        subnet: Subnet { addr: info.subnet.into(), prefix: info.prefix },
        gateway: info.gateway,
        internal: info.internal != 0,
    }
}

/// All elements of a map that only the agent writes.
fn entries<K: Pod, V: Pod>(
    map: &PinnedHash<K, V>,
    name: &'static str,
) -> Result<Vec<(K, V)>, MapsError> {
    map.iter().collect::<Result<_, _>>().map_err(MapsError::element("list", name))
}

/// A look-up or a removal in which a missing key is an answer and not an error.
pub(super) fn found<T>(
    result: Result<T, MapError>,
    map: &'static str,
) -> Result<Option<T>, MapsError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(None),
        Err(MapError::SyscallError(error)) if error.io_error.kind() == ErrorKind::NotFound => {
            Ok(None)
        }
        result => result.map(Some).map_err(MapsError::element("find or remove an element", map)),
    }
}
