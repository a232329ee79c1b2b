//! What a cluster file leaves out, derived from names: subnets, VNIs, addresses, backend numbers
//! and the key of the flow hash. Pure, and each value depends on its own names only, so that an
//! edit elsewhere never moves one and all nodes derive alike.
//!
//! Two names can meet at one value; the file source reports that and asks for an explicit one.
//! The odds are those of the birthday problem, about n²/2m for n values out of m:
//!
//! | value | out of | 5 | 10 | 20 | 50 |
//! |---|---|---|---|---|---|
//! | subnet (/20 of 10.0.0.0/8) | 4096 | 0.2 % | 1.1 % | 4.5 % | 26 % |
//! | address in a derived subnet, without `range` | 4093 | 0.2 % | 1.1 % | 4.5 % | 26 % |
//! | number in a service without networks | 4095 | 0.2 % | 1.1 % | 4.5 % | 26 % |
//! | VNI | 16 773 120 | - | - | - | 0.007 % |
//!
//! A /24 would clash in 16 % of the networks with ten addresses; a /16 would make backend numbers,
//! which are offsets in the subnet, and with them a service's range in `BACKENDS` sixteen times
//! larger.

use std::net::Ipv4Addr;

use lb_common::{hash::name_hash, wire::FIRST_NETWORK_VNI};

use crate::model::{NetworkSubnet, Subnet};

/// Networks without an explicit subnet get a part of this one.
pub const SUBNET_POOL: Subnet = Subnet { addr: Ipv4Addr::new(10, 0, 0, 0), prefix: 8 };
/// Prefix length of derived subnets.
pub const SUBNET_PREFIX: u8 = 20;
/// First VNI that VXLAN's 24 bits cannot carry.
pub const VNI_END: u32 = 1 << 24;
/// Largest backend number derived from a name.
pub const MAX_DERIVED_NUMBER: u16 = 4095;

/// Keys that keep derivations of different kinds apart: a service and a task of one name do not
/// meet at one address.
mod key {
    pub(super) const SUBNET: u64 = 1;
    pub(super) const VNI: u64 = 2;
    pub(super) const VIP: u64 = 3;
    pub(super) const TASK: u64 = 4;
    pub(super) const NUMBER: u64 = 5;
    pub(super) const FLOW: u64 = 6;
}

/// Seed of the flow hash where the cluster file gives none; public, hence the warning.
const DEFAULT_SEED: &str = "swarmlb";

/// The addresses that VIPs and tasks of a network may get: those of a subnet or of a range inside
/// it, without the network's own, the broadcast and the gateway's address.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    first: u32,
    last: u32,
    gateway: u32,
}

/// The subnet of a network: a /20 of 10.0.0.0/8.
#[must_use]
pub fn subnet(network: &str) -> Subnet {
    let blocks = 1 << (SUBNET_PREFIX - SUBNET_POOL.prefix);
    let block = below(name_hash(key::SUBNET, network.as_bytes()), blocks);
    let addr = u32::from(SUBNET_POOL.addr) + (block << (32 - SUBNET_PREFIX));
    Subnet { addr: addr.into(), prefix: SUBNET_PREFIX }
}

/// The VNI of the subnet at `position` (0 for the first) of a network: 4096 to 2^24 - 1.
#[must_use]
pub fn vni(network: &str, position: usize) -> u32 {
    let first = name_hash(key::VNI, network.as_bytes());
    let hash = match position {
        0 => first,
        position => name_hash(first, position.to_string().as_bytes()),
    };
    FIRST_NETWORK_VNI + below(hash, VNI_END - FIRST_NETWORK_VNI)
}

/// The virtual IP of a service in a network.
#[must_use]
pub fn vip(network: &str, pool: Pool, service: &str) -> Ipv4Addr {
    pool.pick(name_hash(name_hash(key::VIP, network.as_bytes()), service.as_bytes()))
}

/// The address of a task in a network.
#[must_use]
pub fn task_address(network: &str, pool: Pool, task: &str) -> Ipv4Addr {
    pool.pick(name_hash(name_hash(key::TASK, network.as_bytes()), task.as_bytes()))
}

/// The backend number of a task with that address in its service's first network: the offset in
/// the subnet, or `None` where that exceeds 65535.
#[must_use]
pub fn number_of_address(subnet: Subnet, address: Ipv4Addr) -> Option<u16> {
    u32::from(address).checked_sub(subnet.addr.into()).and_then(|offset| offset.try_into().ok())
}

/// The backend number of a task whose service has no network: 1 to [`MAX_DERIVED_NUMBER`], small
/// because a service's range in `BACKENDS` is as long as its largest number.
#[must_use]
pub fn number_of_name(task: &str) -> u16 {
    let number = 1 + below(name_hash(key::NUMBER, task.as_bytes()), MAX_DERIVED_NUMBER.into());
    u16::try_from(number).unwrap_or(MAX_DERIVED_NUMBER)
}

/// The key of the flow hash, from the cluster's secret or, without one, from a public constant.
#[must_use]
pub fn hash_key(seed: Option<&str>) -> u64 {
    name_hash(key::FLOW, seed.unwrap_or(DEFAULT_SEED).as_bytes())
}

impl Pool {
    /// The addresses of `subnet`, or of a `range` inside it.
    #[must_use]
    pub fn new(subnet: &NetworkSubnet, range: Option<Subnet>) -> Self {
        let range = range.unwrap_or(subnet.subnet);
        let (lowest, highest) = (u32::from(subnet.subnet.addr), u32::from(subnet.subnet.last()));
        let first = u32::from(range.addr).max(lowest.saturating_add(1));
        let last = u32::from(range.last()).min(highest.saturating_sub(1));
        Self { first, last, gateway: subnet.gateway.into() }
    }

    /// How many addresses there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        let all = (self.last + 1).saturating_sub(self.first);
        all - u32::from((self.first..=self.last).contains(&self.gateway))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The address that a hash falls on.
    fn pick(&self, hash: u64) -> Ipv4Addr {
        let at = self.first + below(hash, self.len());
        let skip = self.first <= self.gateway && self.gateway <= at;
        Ipv4Addr::from(at + u32::from(skip))
    }
}

/// Scales a hash to `0..end` without the bias and the low-bit dependence of a remainder.
fn below(hash: u64, end: u32) -> u32 {
    let scaled = (u128::from(hash) * u128::from(end)) >> 64;
    u32::try_from(scaled).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: Subnet = Subnet { addr: Ipv4Addr::new(10, 0, 0, 8), prefix: 29 };

    fn pool(subnet: Subnet, gateway: Ipv4Addr, range: Option<Subnet>) -> Pool {
        Pool::new(&NetworkSubnet { vni: 4096, subnet, gateway }, range)
    }

    /// How often each last octet from .8 to .15 comes up in a thousand addresses.
    fn spread(pool: Pool) -> [u32; 8] {
        let mut seen = [0; 8];
        for i in 0..1000 {
            let addr = task_address("net", pool, &format!("task.{i}"));
            seen[usize::from(addr.octets()[3] - 8)] += 1;
        }
        seen
    }

    #[test]
    fn derived_values_never_change() {
        assert_eq!(subnet("mongo_network").to_string(), "10.119.144.0/20");
        assert_eq!(vni("mongo_network", 0), 11_363_115);
        assert_eq!(vni("mongo_network", 1), 226_277);
        assert_eq!(number_of_name("web.1"), 3374);
        assert_eq!(hash_key(None), 0x05da_e3c3_2b3e_d0ea);
    }

    #[test]
    fn hosts_spare_network_gateway_and_broadcast() {
        let seen = spread(pool(SMALLEST, SMALLEST.gateway(), None));
        assert_eq!((seen[0], seen[1], seen[7]), (0, 0, 0));
        assert!(seen[2..7].iter().all(|&count| count > 150), "{seen:?}");
        let seen = spread(pool(SMALLEST, Ipv4Addr::new(10, 0, 0, 12), None));
        assert_eq!((seen[0], seen[4], seen[7]), (0, 0, 0));
        assert!(seen.iter().filter(|&&count| count > 150).count() == 5, "{seen:?}");
    }

    #[test]
    fn hosts_stay_inside_the_range() {
        let range = Subnet { addr: Ipv4Addr::new(10, 0, 0, 12), prefix: 30 };
        let seen = spread(pool(SMALLEST, SMALLEST.gateway(), Some(range)));
        assert_eq!((seen[..4].iter().sum::<u32>(), seen[7]), (0, 0), "{seen:?}");
        assert!(seen[4..7].iter().all(|&count| count > 250), "{seen:?}");
        let low = Subnet { addr: Ipv4Addr::new(10, 0, 0, 8), prefix: 30 };
        assert_eq!(pool(SMALLEST, SMALLEST.gateway(), Some(low)).len(), 2);
        let only = Subnet { addr: SMALLEST.gateway(), prefix: 32 };
        assert!(pool(SMALLEST, SMALLEST.gateway(), Some(only)).is_empty());
    }

    #[test]
    fn a_service_and_a_task_of_one_name_get_different_addresses() {
        let net = pool(subnet("net"), subnet("net").gateway(), None);
        assert_ne!(vip("net", net, "web"), task_address("net", net, "web"));
    }

    #[test]
    fn numbers_are_offsets_and_fit() {
        let wide = Subnet { addr: Ipv4Addr::new(10, 0, 0, 0), prefix: 8 };
        assert_eq!(number_of_address(wide, Ipv4Addr::new(10, 0, 1, 2)), Some(258));
        assert_eq!(number_of_address(wide, Ipv4Addr::new(10, 1, 0, 0)), None);
        assert!((0..5000).all(|i| (1..=4095).contains(&number_of_name(&i.to_string()))));
    }

    #[test]
    fn vnis_are_above_the_mesh_and_within_24_bits() {
        assert!((0..5000).all(|i| (4096..VNI_END).contains(&vni(&i.to_string(), i % 3))));
    }
}
