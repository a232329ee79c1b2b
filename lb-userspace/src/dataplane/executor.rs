//! Executes the steps of a plan one by one, without deciding anything: writes maps, allocates
//! ranges, counts what changed.

use lb_common::{port::PublishedPort, service::Service};

use super::{
    apply::ApplyError,
    maps::{Maps, MapsError},
    ranges::MapRanges,
    settle::settle,
    state::found,
};
use crate::{compile::PeerContents, plan::Change};

/// What the steps of one update share.
pub(super) struct Executor<'a> {
    pub(super) maps: &'a mut Maps,
    pub(super) ranges: &'a mut MapRanges,
    /// This node's data-path address, the source of outer headers.
    pub(super) node_addr: [u8; 4],
    /// Elements written so far.
    pub(super) writes: usize,
}

impl Executor<'_> {
    /// Executes one step.
    pub(super) fn execute(&mut self, change: Change) -> Result<(), ApplyError> {
        match change {
            Change::SetNetwork { vni, network } => self.set_network(vni, &network),
            Change::SetEndpoint { key, endpoint } => self.set_endpoint(key, &endpoint),
            Change::SetPeer { index, peer } => self.set_peer(index, &peer),
            Change::SetBackends { service, backends } => self.set_backends(service, &backends),
            Change::SetRows { service, rows } => self.set_rows(service, &rows),
            Change::SetService { service, name, seed, scheduler, flags } => self.set_service(
                service,
                &name,
                Service { seed, scheduler, flags, ..Default::default() },
            ),
            Change::SetPort { index, port } => self.set_port(index, port),
            Change::RemovePort { index } => self.set_port(index, PublishedPort::default()),
            Change::Settle => {
                settle();
                Ok(())
            }
            Change::RemoveService { service } => self.remove_service(service),
            Change::RemoveBackends { service, numbers } => self.remove_backends(service, &numbers),
            Change::RemoveEndpoint { key } => self.remove_endpoint(key),
            Change::RemovePeer { index } => self.remove_peer(index),
            Change::RemoveNetwork { vni } => self.forget_network(vni),
        }
    }

    fn set_peer(&mut self, index: u16, peer: &PeerContents) -> Result<(), ApplyError> {
        let old = self.maps.peers.get(index.into()).unwrap_or_default().addr;
        self.writes += usize::from(self.maps.set_peer(index, peer, self.node_addr)?);
        if old != peer.addr {
            self.forget_peer_addr(index, old)?;
        }
        Ok(())
    }

    fn remove_peer(&mut self, index: u16) -> Result<(), ApplyError> {
        let addr = self.maps.peers.get(index.into()).unwrap_or_default().addr;
        self.forget_peer_addr(index, addr)?;
        self.maps.peers.set(index.into(), Default::default()).map_err(MapsError::range("PEERS"))?;
        found(self.maps.node_info.remove(&index.into()), "NODE_INFO")?;
        self.writes += 1;
        Ok(())
    }

    /// Takes `addr` out of `PEER_INDEX` unless another node has it by now.
    fn forget_peer_addr(&mut self, index: u16, addr: [u8; 4]) -> Result<(), ApplyError> {
        if found(self.maps.peer_index.get(&addr, 0), "PEER_INDEX")? == Some(index.into()) {
            self.maps
                .peer_index
                .remove(&addr)
                .map_err(MapsError::element("remove", "PEER_INDEX"))?;
        }
        Ok(())
    }

    fn set_port(&mut self, index: u32, port: PublishedPort) -> Result<(), ApplyError> {
        let written = self.maps.ports.set(index, port).map_err(MapsError::range("PORTS"))?;
        self.writes += usize::from(written);
        Ok(())
    }
}
