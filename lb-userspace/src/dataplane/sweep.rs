//! What no plan sees: names that belong to nothing, and headers that follow from this node's own
//! address. An update that was cut short leaves such, and so does a hand in the maps.

use std::collections::BTreeSet;

use aya::Pod;
use lb_common::{addr::V4, backend::NODE_SELF, endpoint::EndpointKey, info::TaskKey};

use super::{
    apply::ApplyError,
    executor::Executor,
    maps::{MapsError, PinnedHash},
    state::found,
};
use crate::compile::MapContents;

impl Executor<'_> {
    /// Removes names without an element, and rewrites peers whose outer header is another node's.
    pub(super) fn sweep(&mut self, wanted: &MapContents) -> Result<(), ApplyError> {
        for (&index, peer) in &wanted.peers {
            self.writes += usize::from(self.maps.set_peer(index, peer, self.node_addr)?);
        }
        self.sweep_peers(wanted)?;
        self.sweep_services(wanted)?;
        self.sweep_tasks(wanted)?;
        self.sweep_endpoints(wanted)
    }

    fn sweep_peers(&mut self, wanted: &MapContents) -> Result<(), ApplyError> {
        let mut addrs: BTreeSet<_> = wanted.peers.values().map(|peer| peer.addr).collect();
        addrs.insert(self.node_addr);
        let held = keys(&self.maps.peer_index, "PEER_INDEX")?;
        for addr in held.into_iter().filter(|addr| !addrs.contains(addr)) {
            found(self.maps.peer_index.remove(&addr), "PEER_INDEX")?;
            self.writes += 1;
        }
        let held = keys(&self.maps.node_info, "NODE_INFO")?;
        let belongs = |index: u32| {
            index == u32::from(NODE_SELF)
                || wanted.peers.keys().any(|&peer| u32::from(peer) == index)
        };
        for index in held.into_iter().filter(|&index| !belongs(index)) {
            found(self.maps.node_info.remove(&index), "NODE_INFO")?;
            self.writes += 1;
        }
        Ok(())
    }

    fn sweep_services(&mut self, wanted: &MapContents) -> Result<(), ApplyError> {
        let held = keys(&self.maps.service_info, "SERVICE_INFO")?;
        let belongs = |index: u32| {
            u16::try_from(index).is_ok_and(|index| wanted.services.contains_key(&index))
        };
        for index in held.into_iter().filter(|&index| !belongs(index)) {
            self.forget_service(index)?;
        }
        Ok(())
    }

    fn sweep_tasks(&mut self, wanted: &MapContents) -> Result<(), ApplyError> {
        let held = keys(&self.maps.task_info, "TASK_INFO")?;
        let belongs = |key: &TaskKey| {
            let service = wanted.services.get(&key.service);
            service.is_some_and(|service| service.backends.contains_key(&key.backend))
        };
        held.into_iter().filter(|key| !belongs(key)).try_for_each(|key| self.forget_task(key))
    }

    fn sweep_endpoints(&mut self, wanted: &MapContents) -> Result<(), ApplyError> {
        let held = keys(&self.maps.endpoint_info, "ENDPOINT_INFO")?;
        let belongs = |key: &EndpointKey<V4>| wanted.endpoints.contains_key(key);
        held.into_iter().filter(|key| !belongs(key)).try_for_each(|key| self.forget_endpoint(&key))
    }

    pub(super) fn forget_task(&mut self, key: TaskKey) -> Result<(), ApplyError> {
        self.writes += usize::from(found(self.maps.task_info.remove(&key), "TASK_INFO")?.is_some());
        Ok(())
    }

    pub(super) fn forget_service(&mut self, index: u32) -> Result<(), ApplyError> {
        self.writes +=
            usize::from(found(self.maps.service_info.remove(&index), "SERVICE_INFO")?.is_some());
        Ok(())
    }
}

/// All keys of a map, so that elements can be removed while they are gone through.
fn keys<K: Pod, V: Pod>(map: &PinnedHash<K, V>, name: &'static str) -> Result<Vec<K>, MapsError> {
    map.keys().collect::<Result<_, _>>().map_err(MapsError::element("list", name))
}
