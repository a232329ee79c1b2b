//! Writes networks and who has which address in them. An element of `ENDPOINTS` is replaced by the
//! kernel in one step, so an address that changes hands is never nobody's.

use lb_common::{
    addr::V4,
    endpoint::EndpointKey,
    info::{EndpointInfo, NetworkInfo, pack_name},
};

use super::{apply::ApplyError, executor::Executor, maps::MapsError, state::found};
use crate::compile::{EndpointContents, NetworkContents};

impl Executor<'_> {
    /// Writes the subnet's element of `NETWORK_INFO`.
    pub(super) fn set_network(
        &mut self,
        vni: u32,
        network: &NetworkContents,
    ) -> Result<(), ApplyError> {
        let info = NetworkInfo {
            name: pack_name(&network.name),
            subnet: network.subnet.addr.octets(),
            gateway: network.gateway,
            prefix: network.subnet.prefix,
            internal: network.internal.into(),
            reserved: 0,
        };
        let written = self.maps.network_info.insert(vni, info, 0);
        written.map_err(MapsError::element("insert", "NETWORK_INFO"))?;
        self.writes += 1;
        Ok(())
    }

    pub(super) fn forget_network(&mut self, vni: u32) -> Result<(), ApplyError> {
        let removed = found(self.maps.network_info.remove(&vni), "NETWORK_INFO")?;
        self.writes += usize::from(removed.is_some());
        Ok(())
    }

    /// Writes the name, then who has the address; only gateways and networks have no name.
    pub(super) fn set_endpoint(
        &mut self,
        key: EndpointKey<V4>,
        held: &EndpointContents,
    ) -> Result<(), ApplyError> {
        self.set_endpoint_name(&key, &held.name)?;
        if found(self.maps.endpoints.get(&key, 0), "ENDPOINTS")? != Some(held.endpoint) {
            let written = self.maps.endpoints.insert(key, held.endpoint, 0);
            written.map_err(MapsError::element("insert", "ENDPOINTS"))?;
            self.writes += 1;
        }
        Ok(())
    }

    fn set_endpoint_name(&mut self, key: &EndpointKey<V4>, name: &str) -> Result<(), ApplyError> {
        let info = EndpointInfo { name: pack_name(name) };
        if name.is_empty() {
            self.forget_endpoint(key)?;
        } else if found(self.maps.endpoint_info.get(key, 0), "ENDPOINT_INFO")? != Some(info) {
            let written = self.maps.endpoint_info.insert(key, info, 0);
            written.map_err(MapsError::element("insert", "ENDPOINT_INFO"))?;
            self.writes += 1;
        }
        Ok(())
    }

    /// Removes the element, then its name.
    pub(super) fn remove_endpoint(&mut self, key: EndpointKey<V4>) -> Result<(), ApplyError> {
        let removed = found(self.maps.endpoints.remove(&key), "ENDPOINTS")?;
        self.writes += usize::from(removed.is_some());
        self.forget_endpoint(&key)
    }

    pub(super) fn forget_endpoint(&mut self, key: &EndpointKey<V4>) -> Result<(), ApplyError> {
        let removed = found(self.maps.endpoint_info.remove(key), "ENDPOINT_INFO")?;
        self.writes += usize::from(removed.is_some());
        Ok(())
    }
}
