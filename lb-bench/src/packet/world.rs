//! The production data plane of the measured node: loaded, filled and addressed by the same code as the
//! agent's.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::maps::{Map, MapData, PerCpuArray};
use lb_common::{
    addr::{V4, mac_of},
    drops::Reason,
    endpoint::{EndpointKey, OverlayLeg},
    leg::Leg,
    wire,
};
use lb_userspace::{
    compile::{LocalLegs, MapContents, Previous, compile},
    dataplane::{Dataplane, Globals, Object, PeerHop, detach},
    model::DesiredState,
};

use super::{
    cluster::{
        BACKEND_HERE, HASH_KEY, INGRESS_ADDR, INGRESS_VNI, Kind, LEG_MTU, ME, NETWORK, NODES, Size,
        TASK, VNI, desired,
    },
    place::{GATEWAY, NIC_MAC, NODE, Place, ROUTER_MAC},
};
use crate::leftovers::new_pin_root;

/// The production data plane of the node; gone when this is dropped.
#[derive(Debug)]
pub struct World {
    /// It.
    pub dataplane: Option<Dataplane>,
    pin_root: PathBuf,
    previous: Previous,
    place: Place,
    kind: Kind,
}

impl World {
    /// Loads it with production's options, in the namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel refuses, or bpffs cannot be mounted.
    pub fn load(place: Place, kind: Kind) -> Result<Self> {
        let pin_root = new_pin_root();
        let docker = kind == Kind::BesideDocker;
        let globals = Globals {
            node_addr: NODE,
            vxlan_port: wire::VXLAN_PORT,
            mesh_vni: wire::MESH_VNI,
            hash_key: HASH_KEY,
            gateway_addr: GATEWAY,
            gateway_mask: [255, 255, 0, 0],
            beside_docker: docker.into(),
            ingress_vni: if docker { INGRESS_VNI } else { 0 },
            ingress_addr: if docker { INGRESS_ADDR } else { [0; 4] },
            ingress_mtu: if docker { 1450 } else { 0 },
            netns_cookie: 1,
        };
        let dataplane = Dataplane::open(&pin_root, &Object::Embedded, &globals)
            .context("cannot load the production object")?;
        let mut world = Self {
            dataplane: Some(dataplane),
            pin_root,
            previous: Previous::default(),
            place,
            kind,
        };
        world.node()?;
        Ok(world)
    }

    /// The loaded data plane.
    ///
    /// # Errors
    /// None while the world is there.
    pub fn dataplane(&mut self) -> Result<&mut Dataplane> {
        self.dataplane.as_mut().context("the data plane is gone")
    }

    /// Packets that it has dropped so far, by reason.
    ///
    /// # Errors
    /// Its counters cannot be read.
    pub fn drops(&self) -> Result<BTreeMap<&'static str, u64>> {
        let dataplane = self.dataplane.as_ref().context("the data plane is gone")?;
        let map = Map::from_map_data(MapData::from_pin(dataplane.pins().map("DROPS"))?)?;
        let map: PerCpuArray<MapData, u64> = map.try_into()?;
        let count =
            |&reason: &Reason| Ok((reason.slug(), map.get(&(reason as u32), 0)?.iter().sum()));
        Reason::ALL.iter().map(count).collect()
    }

    /// What follows from the host.
    fn node(&mut self) -> Result<()> {
        let Place { nic, leg, overlay } = self.place;
        let dataplane = self.dataplane()?;
        dataplane.set_node(NODES[0], NODE)?;
        dataplane.set_own_addrs(&BTreeSet::from([NODE, GATEWAY]))?;
        dataplane.set_devices(&BTreeSet::from([nic, leg, overlay[0], overlay[1]]))?;
        dataplane.set_leg(Leg {
            ifindex: leg,
            netns_id: -1,
            addr: TASK,
            task_mac: mac_of(TASK),
            host_mac: [2, 1, 10, 231, 0, 2],
            mtu: LEG_MTU,
            ..Leg::default()
        })?;
        Ok(())
    }

    /// Has the maps hold a cluster of this size; returns what compiling and writing took.
    ///
    /// # Errors
    /// It has more of something than the maps have room for.
    pub fn apply(&mut self, size: Size) -> Result<(Duration, Duration)> {
        self.hold(&desired(size, self.kind))
    }

    /// The same where the first task of one of the many services drains, a change of one task.
    ///
    /// # Errors
    /// As [`World::apply`].
    pub fn apply_drained(&mut self, size: Size, service: u16) -> Result<(Duration, Duration)> {
        let mut desired = desired(size, self.kind);
        let name = format!("many-{service}");
        let named = desired.services.iter_mut().filter(|service| service.name == name);
        named.filter_map(|service| service.tasks.first_mut()).for_each(|task| task.weight = 0);
        self.hold(&desired)
    }

    fn hold(&mut self, desired: &DesiredState) -> Result<(Duration, Duration)> {
        let legs = LocalLegs {
            gateway: BTreeMap::from([
                ("home.1".to_owned(), TASK),
                ("home-entry.1".to_owned(), TASK),
            ]),
            overlay: BTreeMap::from([
                (("me.1".to_owned(), NETWORK.to_owned()), self.place.overlay[0]),
                (("here.1".to_owned(), NETWORK.to_owned()), self.place.overlay[1]),
            ]),
        };
        let start = Instant::now();
        let contents = compile(desired, NODES[0], &legs, &BTreeSet::new(), &self.previous)?;
        let compiled = start.elapsed();
        let overlay = overlay_legs(&contents, self.place);
        let start = Instant::now();
        self.dataplane()?.set_overlay_legs(&overlay)?;
        self.dataplane()?.apply(&contents)?;
        let applied = start.elapsed();
        self.previous = self.previous.after(&contents);
        let nic = self.place.nic;
        for &index in contents.peers.keys() {
            let hop = PeerHop { ifindex: nic, src_mac: NIC_MAC, dst_mac: ROUTER_MAC, mtu: 1500 };
            self.dataplane()?.set_peer_hop(index, Some(hop))?;
        }
        Ok((compiled, applied))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Its lock on the pins first.
        drop(self.dataplane.take());
        if let Err(error) = detach(&self.pin_root) {
            eprintln!("cannot remove {}: {error}", self.pin_root.display());
        }
    }
}

fn overlay_legs(contents: &MapContents, place: Place) -> Vec<OverlayLeg> {
    let service = |addr: V4| {
        let key = EndpointKey { vni: VNI, addr };
        contents.endpoints.get(&key).map_or(0, |entry| entry.endpoint.service)
    };
    let leg = |addr: V4, ifindex| OverlayLeg {
        ifindex,
        vni: VNI,
        addr,
        mac: mac_of(addr),
        mtu: LEG_MTU,
        service: service(addr),
        reserved: 0,
    };
    vec![leg(ME, place.overlay[0]), leg(BACKEND_HERE, place.overlay[1])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_compiles_and_publishes_every_port() {
        let size = Size { services: 3, backends: 2 };
        let (legs, held) = (LocalLegs::default(), BTreeSet::new());
        let contents =
            compile(&desired(size, Kind::Standalone), NODES[0], &legs, &held, &Previous::default());
        let contents = contents.expect("contents");
        assert_eq!(contents.ports.len(), 8 + 3);
        let legs = overlay_legs(&contents, Place { nic: 2, leg: 3, overlay: [4, 5] });
        assert_eq!((legs[0].service, legs[1].service != 0), (0, true));
    }
}
