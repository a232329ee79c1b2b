//! Typed handles to the maps that the agent writes, opened from their pins, and to those of translated
//! sources, which it reads: every size is checked against its type. The packet path's other maps are read
//! by `observe`.

use std::path::PathBuf;

use aya::{
    Pod,
    maps::{DevMapHash, HashMap, Map, MapData, MapError},
};
use lb_common::{
    addr::V4,
    backend::Backend,
    bridge::Bridge,
    endpoint::{Endpoint, EndpointKey, OverlayLeg},
    flow::{SnatInKey, SnatInValue, SnatOutKey, SnatOutValue},
    info::{EndpointInfo, NetworkInfo, NodeInfo, ServiceInfo, TaskInfo, TaskKey},
    leg::Leg,
    peer::Peer,
    port::PublishedPort,
    row::Row,
    service::Service,
};

use super::{
    mmap::{MappedArray, OutOfRange},
    pins::Pins,
};

/// A pinned hash map.
pub type PinnedHash<K, V> = HashMap<MapData, K, V>;

/// What the agent writes.
#[derive(Debug)]
pub struct Maps {
    /// `PORTS`, by [`lb_common::port::port_index`].
    pub ports: MappedArray<PublishedPort>,
    /// `SERVICES`, by service index.
    pub services: MappedArray<Service>,
    /// `ROWS`, in which each service owns a range.
    pub rows: MappedArray<Row>,
    /// `BACKENDS`, in which each service owns a range.
    pub backends: MappedArray<Backend>,
    /// `LEGS`, by [`lb_common::leg::leg_index`].
    pub legs: MappedArray<Leg>,
    /// `PEERS`, by peer index.
    pub peers: MappedArray<Peer>,
    /// `PEER_INDEX`: data-path address -> peer index.
    pub peer_index: PinnedHash<V4, u32>,
    /// `OWN_ADDRS`: the node's addresses -> 1.
    pub own_addrs: PinnedHash<V4, u32>,
    /// `BRIDGES`: interface index -> subnet of its containers.
    pub bridges: PinnedHash<u32, Bridge>,
    /// `DEVICES`: interface index -> device.
    pub devices: Devices,
    /// `OVERLAY_LEGS`, by [`lb_common::endpoint::overlay_leg_index`].
    pub overlay_legs: MappedArray<OverlayLeg>,
    /// `ENDPOINTS`: who has an address in a network.
    pub endpoints: PinnedHash<EndpointKey<V4>, Endpoint>,
    /// `SNAT_OUT`, which only packets write.
    pub snat_out: PinnedHash<SnatOutKey<V4>, SnatOutValue>,
    /// `SNAT_IN`, likewise.
    pub snat_in: PinnedHash<SnatInKey, SnatInValue<V4>>,
    /// `SERVICE_INFO`, by service index.
    pub service_info: PinnedHash<u32, ServiceInfo>,
    /// `TASK_INFO`, by service index and backend number.
    pub task_info: PinnedHash<TaskKey, TaskInfo>,
    /// `NODE_INFO`, by peer index.
    pub node_info: PinnedHash<u32, NodeInfo>,
    /// `NETWORK_INFO`, by VNI.
    pub network_info: PinnedHash<u32, NetworkInfo>,
    /// `ENDPOINT_INFO`, as `ENDPOINTS`.
    pub endpoint_info: PinnedHash<EndpointKey<V4>, EndpointInfo>,
}

/// `DEVICES`; aya's handle, which has no `Debug`.
pub struct Devices(pub(super) DevMapHash<MapData>);

/// A map could not be opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum MapsError {
    /// A pin could not be opened with the type it should have.
    #[error("cannot open the pinned map {path:?}: {source}; `swarmlb agent` makes it, as root")]
    Open {
        /// The pin.
        path: PathBuf,
        /// Why.
        source: Box<MapError>,
    },
    /// An element could not be read, written or removed.
    #[error("cannot {action} in map {map}: {source}")]
    Element {
        /// What was tried.
        action: &'static str,
        /// The map.
        map: &'static str,
        /// Why.
        source: Box<MapError>,
    },
    /// Two legs belong in the same element of `OVERLAY_LEGS`.
    #[error(
        "interfaces {0} and {1} share a place in map OVERLAY_LEGS; the leg of one must be made anew \
         to get another index"
    )]
    LegsCollide(u32, u32),
    /// An index past the end of a map.
    #[error("map {map} is too small: {source}")]
    Range {
        /// The map.
        map: &'static str,
        /// Which index.
        source: OutOfRange,
    },
}

impl MapsError {
    pub(super) fn element(
        action: &'static str,
        map: &'static str,
    ) -> impl FnOnce(MapError) -> Self {
        move |source| Self::Element { action, map, source: Box::new(source) }
    }

    pub(super) fn range(map: &'static str) -> impl FnOnce(OutOfRange) -> Self {
        move |source| Self::Range { map, source }
    }
}

impl Maps {
    /// Opens all of them.
    ///
    /// # Errors
    /// [`MapsError::Open`] naming the pin.
    pub fn open(pins: &Pins) -> Result<Self, MapsError> {
        Ok(Self {
            ports: array(pins, "PORTS")?,
            services: array(pins, "SERVICES")?,
            rows: array(pins, "ROWS")?,
            backends: array(pins, "BACKENDS")?,
            legs: array(pins, "LEGS")?,
            peers: array(pins, "PEERS")?,
            peer_index: hash(pins, "PEER_INDEX")?,
            own_addrs: hash(pins, "OWN_ADDRS")?,
            bridges: hash(pins, "BRIDGES")?,
            devices: devices(pins)?,
            snat_out: hash(pins, "SNAT_OUT")?,
            snat_in: hash(pins, "SNAT_IN")?,
            service_info: hash(pins, "SERVICE_INFO")?,
            task_info: hash(pins, "TASK_INFO")?,
            overlay_legs: array(pins, "OVERLAY_LEGS")?,
            endpoints: hash(pins, "ENDPOINTS")?,
            node_info: hash(pins, "NODE_INFO")?,
            network_info: hash(pins, "NETWORK_INFO")?,
            endpoint_info: hash(pins, "ENDPOINT_INFO")?,
        })
    }
}

fn array<T: Pod + PartialEq>(pins: &Pins, name: &str) -> Result<MappedArray<T>, MapsError> {
    opened(pins, name, |map| {
        // The typed view checks the size of a value.
        let view: aya::maps::Array<_, T> = (&map).try_into()?;
        let len = view.len();
        match &map {
            Map::Array(data) => Ok(MappedArray::map(data.fd(), len)?),
            _ => Err(MapError::Unsupported {
                name: name.into(),
                map_type: aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_UNSPEC,
            }),
        }
    })
}

fn hash<K: Pod, V: Pod>(pins: &Pins, name: &str) -> Result<PinnedHash<K, V>, MapsError> {
    opened(pins, name, HashMap::try_from)
}

fn devices(pins: &Pins) -> Result<Devices, MapsError> {
    opened(pins, "DEVICES", DevMapHash::try_from).map(Devices)
}

pub(super) fn opened<T>(
    pins: &Pins,
    name: &str,
    view: impl FnOnce(Map) -> Result<T, MapError>,
) -> Result<T, MapsError> {
    let path = pins.map(name);
    let open = MapData::from_pin(&path).and_then(Map::from_map_data).and_then(view);
    open.map_err(|source| MapsError::Open { path, source: Box::new(source) })
}

impl std::fmt::Debug for Devices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Devices")
    }
}
