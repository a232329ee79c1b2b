//! The address of a leg: asked for, kept, or derived from the task's name. Pure.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::LegSpec;
use crate::host::{HostError, Result};

/// The address that a new leg gets, none of `used`.
pub(super) fn choose(spec: &LegSpec, used: &BTreeSet<Ipv4Addr>) -> Result<Ipv4Addr> {
    match spec.wanted {
        Some(addr) if used.contains(&addr) => Err(refused(spec, addr, "belongs to another leg")),
        Some(addr) => Ok(addr),
        None => derive(spec, used),
    }
}

/// Refuses a wish that no leg could have.
pub(super) fn check(spec: &LegSpec) -> Result<()> {
    let Some(addr) = spec.wanted else { return Ok(()) };
    let first = u32::from(spec.gateway.addr) + FIRST_OFFSET;
    let inside =
        (u64::from(first)..u64::from(first) + places(spec)).contains(&u32::from(addr).into());
    if inside {
        Ok(())
    } else {
        Err(refused(spec, addr, &format!("is no leg address of {}", spec.gateway)))
    }
}

/// The network's own address and the gateway come before.
const FIRST_OFFSET: u32 = 2;

/// Addresses that legs can have: all but the network's, the gateway's and the broadcast address.
fn places(spec: &LegSpec) -> u64 {
    (1_u64 << (32 - u32::from(spec.gateway.prefix.min(32)))).saturating_sub(3)
}

fn derive(spec: &LegSpec, used: &BTreeSet<Ipv4Addr>) -> Result<Ipv4Addr> {
    let places = places(spec);
    let full =
        || HostError::SubnetFull { task: spec.task.clone(), subnet: spec.gateway.to_string() };
    let start =
        lb_common::hash::name_hash(0, spec.task.as_bytes()).checked_rem(places).ok_or_else(full)?;
    let at = |place: u64| {
        let offset = u32::try_from(place % places).ok()?;
        let addr = u32::from(spec.gateway.addr).checked_add(FIRST_OFFSET)?.checked_add(offset)?;
        Some(Ipv4Addr::from(addr))
    };
    let free = |addr: &Ipv4Addr| !used.contains(addr);
    (start..start + places).filter_map(at).find(free).ok_or_else(full)
}

fn refused(spec: &LegSpec, addr: Ipv4Addr, reason: &str) -> HostError {
    HostError::AddressRefused { task: spec.task.clone(), addr, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Netns, Subnet};

    fn spec(task: &str, prefix: u8, wanted: Option<[u8; 4]>) -> LegSpec {
        LegSpec {
            task: task.into(),
            netns: Netns::Pid(1),
            gateway: Subnet { addr: Ipv4Addr::new(172, 31, 0, 0), prefix },
            mtu: 1450,
            wanted: wanted.map(Ipv4Addr::from),
        }
    }

    #[test]
    fn derived_addresses_are_stable_and_inside() {
        let web = choose(&spec("web.1", 16, None), &BTreeSet::new()).unwrap();
        assert_eq!(web, choose(&spec("web.1", 16, None), &BTreeSet::new()).unwrap());
        assert!(spec("web.1", 16, None).gateway.contains(web));
    }

    #[test]
    fn a_full_subnet_is_used_up_and_then_refused() {
        let mut used = BTreeSet::new();
        for task in 0..5 {
            let addr = choose(&spec(&format!("web.{task}"), 29, None), &used).unwrap();
            assert!(used.insert(addr), "{addr} was given twice");
        }
        let all: Vec<_> = (2..=6).map(|host| Ipv4Addr::new(172, 31, 0, host)).collect();
        assert_eq!(used.iter().copied().collect::<Vec<_>>(), all);
        assert!(matches!(
            choose(&spec("one.more", 29, None), &used),
            Err(HostError::SubnetFull { .. })
        ));
    }

    #[test]
    fn subnets_without_room_are_refused() {
        for prefix in 31..=32 {
            let none = choose(&spec("web.1", prefix, None), &BTreeSet::new());
            assert!(matches!(none, Err(HostError::SubnetFull { .. })));
        }
    }

    #[test]
    fn wishes_are_checked() {
        let taken = BTreeSet::from([Ipv4Addr::new(172, 31, 0, 7)]);
        assert!(choose(&spec("a", 16, Some([172, 31, 0, 7])), &taken).is_err());
        assert!(choose(&spec("a", 16, Some([172, 31, 0, 8])), &taken).is_ok());
        assert!(check(&spec("a", 16, Some([172, 31, 0, 8]))).is_ok());
        assert!(check(&spec("a", 16, Some([172, 31, 255, 254]))).is_ok());
        for refused in [[172, 31, 0, 0], [172, 31, 0, 1], [172, 31, 255, 255], [10, 0, 0, 2]] {
            assert!(check(&spec("a", 16, Some(refused))).is_err(), "{refused:?}");
        }
    }
}
