//! From a `[[network]]` table to its entry: one subnet in the table itself, or several in `subnets`.

use std::ops::RangeInclusive;

use super::{
    entry::{NetworkEntry, SubnetEntry, Wanted},
    report::{At, Report},
    section::{Section, Unread},
};

/// Prefix lengths of subnets: a /29 has room for a gateway, a VIP and four tasks.
const PREFIXES: RangeInclusive<u8> = 8..=29;
/// Largest and smallest `mtu`: every IPv4 host takes 576 bytes (RFC 1122, 3.3.2); more than 65535
/// does not fit an IP packet, of which the tunnel needs its part.
const MTU: RangeInclusive<u16> = 576..=u16::MAX - lb_common::wire::TUNNEL_OVERHEAD;
/// What the table says of its one subnet, and `subnets` of each.
const ONE: [&str; 3] = ["subnet", "vni", "gateway"];

/// Reads a network.
pub(super) fn network(table: Unread<'_, '_>, report: &mut Report) -> Option<NetworkEntry> {
    let known = ["name", "subnet", "vni", "gateway", "subnets", "range", "internal", "mtu"];
    let mut section = table.named("network").open(&known, report);
    let name = section.required_string("name");
    let subnets = subnets(&mut section);
    let range = section.subnet("range", 8..=32);
    let range = wanted(range, section.has("range"));
    let internal = section.boolean("internal").is_some_and(|internal| internal.value);
    let mtu = section.integer("mtu", MTU).map(|mtu| mtu.value);
    Some(NetworkEntry { name: name?, subnets, range, internal, mtu })
}

fn subnets(section: &mut Section<'_, '_, '_>) -> Vec<SubnetEntry> {
    if !section.has("subnets") {
        return vec![one(section)];
    }
    if let Some(key) = ONE.into_iter().find(|key| section.has(key)) {
        let place = section.place_of("subnets");
        section.report.add(
            &place,
            format!("{key} and subnets are both given"),
            "remove one of them: each element of subnets has its own subnet, vni and gateway",
        );
        return Vec::new();
    }
    let elements = section.tables("subnets");
    if elements.is_empty() && section.is_empty_list("subnets") {
        let place = section.place_of("subnets");
        section.report.add(
            &place,
            "the list is empty",
            "remove it, or write { subnet = \"A.B.C.D/N\" }",
        );
    }
    elements.into_iter().map(|element| of_several(element, section.report)).collect()
}

fn of_several(table: Unread<'_, '_>, report: &mut Report) -> SubnetEntry {
    let mut section = table.open(&ONE, report);
    if section.has("subnet") {
        return one(&mut section);
    }
    section.report.add(&section.place, "subnet is missing", "add subnet = \"A.B.C.D/N\"");
    SubnetEntry { subnet: Wanted::Wrong, ..one(&mut section) }
}

fn one(section: &mut Section<'_, '_, '_>) -> SubnetEntry {
    let subnet = section.subnet("subnet", PREFIXES);
    let vni = section.integer("vni", 0..=u32::MAX);
    let gateway = section.address("gateway");
    SubnetEntry {
        subnet: wanted(subnet, section.has("subnet")),
        vni: wanted(vni, section.has("vni")),
        gateway: wanted(gateway, section.has("gateway")),
    }
}

fn wanted<T>(value: Option<At<T>>, given: bool) -> Wanted<T> {
    match value {
        Some(value) => Wanted::Explicit(value),
        None if given => Wanted::Wrong,
        None => Wanted::Derived,
    }
}
