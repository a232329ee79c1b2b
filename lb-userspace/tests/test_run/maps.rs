//! A [`World`] in kernel maps, and back.

use std::{
    collections::{BTreeMap, HashMap as StdHashMap},
    hash::Hash,
};

use aya::{
    Ebpf, Pod,
    maps::{Array, DevMapHash, HashMap, MapData, PerCpuArray, PerCpuValues},
    util::nr_cpus,
};
use lb_common::{
    addr::V4,
    drops::Reason,
    endpoint::{OverlayLeg, overlay_leg_index},
    flow::{SnatInKey, SnatInValue},
    stats::ServiceStats,
};
use lb_ebpf::testing::{DNS, EMPTY_SERVICE, Interfaces, VIP_SERVICE, WEB, World};

/// The services of the small cluster.
const SERVICES: [u16; 4] = [WEB, DNS, VIP_SERVICE, EMPTY_SERVICE];

/// The tables that the programs look at.
pub(crate) struct Maps<'a>(pub(crate) &'a mut Ebpf);

impl Maps<'_> {
    /// Lets frames be sent by these interfaces.
    pub(crate) fn devices(&mut self, interfaces: &Interfaces) {
        let map = self.0.map_mut("DEVICES").expect("DEVICES");
        let mut devices = DevMapHash::<&mut MapData>::try_from(map).expect("DEVICES");
        let [a, b] = interfaces.legs;
        for ifindex in [interfaces.nic, a, b] {
            devices.insert(ifindex, ifindex, None, 0).expect("a device");
        }
    }

    /// Makes the maps hold what `world` holds, and no state but its.
    pub(crate) fn set(&mut self, world: &World) {
        self.array("PORTS", &world.ports);
        self.array("SERVICES", &world.services);
        self.array("ROWS", &world.rows);
        self.array("BACKENDS", &world.backends);
        self.array("LEGS", &world.legs);
        self.array("PEERS", &world.peers);
        let peers = world.peer_index.iter().map(|(&addr, &index)| (addr, u32::from(index)));
        self.hash("PEER_INDEX", &peers.collect());
        self.hash("OWN_ADDRS", &world.own_addrs.iter().map(|&addr| (addr, 1u32)).collect());
        self.hash("BRIDGES", &world.bridges.iter().map(|(&key, &b)| (key, b)).collect());
        self.hash("NAT", &world.nat.borrow());
        self.hash("EMBRYO", &world.embryo.borrow());
        self.hash("FLOWS", &world.flows.borrow());
        self.hash("SNAT_OUT", &world.snat_out.borrow());
        self.hash("SNAT_IN", &world.snat_in.borrow());
        self.hash("FRAGS", &world.frags.borrow());
        self.array("OVERLAY_LEGS", &by_place(world));
        self.hash("ENDPOINTS", &world.endpoints.iter().map(|(&key, &e)| (key, e)).collect());
        self.hash("VIPFLOWS", &world.vip_flows.borrow());
        self.forget_counters();
    }

    /// Empties the elements of arrays that `world` filled.
    pub(crate) fn clear(&mut self, world: &World) {
        fn zeros<K: Ord + Copy, V: Default>(map: &BTreeMap<K, V>) -> BTreeMap<K, V> {
            map.keys().map(|&key| (key, V::default())).collect()
        }
        self.array("PORTS", &zeros(&world.ports));
        self.array("ROWS", &zeros(&world.rows));
        self.array("BACKENDS", &zeros(&world.backends));
        self.array("LEGS", &zeros(&world.legs));
        self.array("PEERS", &zeros(&world.peers));
        self.array("OVERLAY_LEGS", &zeros(&by_place(world)));
    }

    /// Says where the packet path's own state differs from what `world` came to hold.
    pub(crate) fn compare(&self, world: &World, place: &str) {
        assert_eq!(self.entries("NAT"), *world.nat.borrow(), "{place}: NAT");
        assert_eq!(self.entries("EMBRYO"), *world.embryo.borrow(), "{place}: EMBRYO");
        assert_eq!(self.entries("FLOWS"), *world.flows.borrow(), "{place}: FLOWS");
        assert_eq!(self.entries("SNAT_OUT"), *world.snat_out.borrow(), "{place}: SNAT_OUT");
        assert_eq!(
            timeless(self.entries("SNAT_IN")),
            timeless(world.snat_in.borrow().clone()),
            "{place}: SNAT_IN"
        );
        assert_eq!(self.entries("FRAGS"), *world.frags.borrow(), "{place}: FRAGS");
        assert_eq!(self.entries("VIPFLOWS"), *world.vip_flows.borrow(), "{place}: VIPFLOWS");
        for service in SERVICES {
            let expected = world.stats.borrow().get(&service).copied().unwrap_or_default();
            assert_eq!(self.stats(service), expected, "{place}: STATS of service {service}");
        }
        assert_eq!(self.drops(), *world.drops.borrow(), "{place}: DROPS");
    }

    fn array<K: Copy + Into<u32>, V: Pod>(&mut self, name: &str, elements: &BTreeMap<K, V>) {
        let map = self.0.map_mut(name).expect(name);
        let mut array = Array::<&mut MapData, V>::try_from(map).expect(name);
        for (&index, value) in elements {
            array.set(index.into(), value, 0).expect(name);
        }
    }

    fn hash<K: Pod, V: Pod>(&mut self, name: &str, entries: &StdHashMap<K, V>) {
        let map = self.0.map_mut(name).expect(name);
        let mut hash = HashMap::<&mut MapData, K, V>::try_from(map).expect(name);
        let old: Vec<K> = hash.keys().collect::<Result<_, _>>().expect(name);
        for key in old {
            hash.remove(&key).expect(name);
        }
        for (key, value) in entries {
            hash.insert(key, value, 0).expect(name);
        }
    }

    fn entries<K: Pod + Eq + Hash, V: Pod>(&self, name: &str) -> StdHashMap<K, V> {
        let map = self.0.map(name).expect(name);
        let hash = HashMap::<&MapData, K, V>::try_from(map).expect(name);
        hash.iter().collect::<Result<_, _>>().expect(name)
    }

    fn forget_counters(&mut self) {
        for &reason in Reason::ALL {
            self.set_per_cpu("DROPS", reason as u32, 0u64);
        }
        for service in SERVICES {
            self.set_per_cpu("STATS", service.into(), ServiceStats::default());
        }
    }

    fn set_per_cpu<V: Pod + Copy>(&mut self, name: &str, index: u32, value: V) {
        let map = self.0.map_mut(name).expect(name);
        let mut array = PerCpuArray::<&mut MapData, V>::try_from(map).expect(name);
        let cpus = nr_cpus().expect("the number of CPUs");
        let values = PerCpuValues::try_from(vec![value; cpus]).expect("a value per CPU");
        array.set(index, values, 0).expect(name);
    }

    fn per_cpu<V: Pod>(&self, name: &str, index: u32) -> PerCpuValues<V> {
        let map = self.0.map(name).expect(name);
        let array = PerCpuArray::<&MapData, V>::try_from(map).expect(name);
        array.get(&index, 0).expect(name)
    }

    fn stats(&self, service: u16) -> ServiceStats {
        let values = self.per_cpu::<ServiceStats>("STATS", service.into());
        values.iter().copied().fold(ServiceStats::default(), ServiceStats::plus)
    }

    fn drops(&self) -> StdHashMap<Reason, u64> {
        let count = |reason| self.per_cpu::<u64>("DROPS", reason as u32).iter().sum();
        let counts = Reason::ALL.iter().map(|&reason| (reason, count(reason)));
        counts.filter(|&(_, count)| count != 0).collect()
    }
}

/// Allocated ports without when they were used: the kernel's clock is not the plain maps'.
fn timeless(
    ports: StdHashMap<SnatInKey, SnatInValue<V4>>,
) -> StdHashMap<SnatInKey, SnatInValue<V4>> {
    ports.into_iter().map(|(key, value)| (key, SnatInValue { used: 0, ..value })).collect()
}

/// Overlay legs as `OVERLAY_LEGS` has them.
fn by_place(world: &World) -> BTreeMap<u32, OverlayLeg> {
    let legs = world.overlay_legs.iter();
    legs.map(|(&ifindex, &leg)| (overlay_leg_index(ifindex), leg)).collect()
}
