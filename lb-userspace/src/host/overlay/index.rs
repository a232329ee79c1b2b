//! Interface indices of overlay legs: a leg's place in `OVERLAY_LEGS` is its index modulo the map's
//! length, and no two legs may have the same. Pure.

use std::collections::BTreeSet;

use lb_common::endpoint::overlay_leg_index;

use crate::host::netlink::Link;

use super::names::is_leg;

/// An index for `made` to be made anew with, where another leg among `links` has its place.
pub(super) fn instead_of(made: &Link, links: &[Link]) -> Option<u32> {
    let others = links.iter().filter(|link| is_leg(link) && link.ifindex != made.ifindex);
    let taken: BTreeSet<u32> = others.map(|link| overlay_leg_index(link.ifindex)).collect();
    let is_free = |ifindex: &u32| !taken.contains(&overlay_leg_index(*ifindex));
    if is_free(&made.ifindex) {
        return None;
    }
    // Above all that is there, since an index that was used lately may still be in some table.
    let highest = links.iter().map(|link| link.ifindex).fold(made.ifindex, u32::max);
    (highest..=highest.saturating_add(lb_common::endpoint::OVERLAY_LEGS_LEN)).skip(1).find(is_free)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(ifindex: u32) -> Link {
        let name = format!("slo{ifindex:010x}");
        Link { ifindex, name, kind: "veth".into(), ..Link::default() }
    }

    #[test]
    fn a_place_of_its_own_is_kept() {
        assert_eq!(instead_of(&leg(9), &[leg(7), leg(8), leg(9)]), None);
    }

    #[test]
    fn a_taken_place_is_left_for_the_next_free_one_above_all() {
        let other = Link { ifindex: 65_560, name: "eth0".into(), ..Link::default() };
        let links = [leg(7), leg(65_543), leg(25), other];
        assert_eq!(instead_of(&leg(65_543), &links), Some(65_562));
    }
}
