//! Strings of the file that mean something: addresses, Ethernet addresses, subnets.

use std::{net::Ipv4Addr, ops::RangeInclusive};

use lb_common::addr::Mac;

use super::report::{At, Report};
use crate::model::Subnet;

/// An IPv4 address; a wrong one is reported.
pub(super) fn address_of(text: At<String>, report: &mut Report) -> Option<At<Ipv4Addr>> {
    if let Ok(address) = text.value.parse() {
        return Some(At { value: address, place: text.place });
    }
    let message = format!("{:?} is no IPv4 address", text.value);
    report.add(&text.place, message, "write four numbers such as 198.18.0.1");
    None
}

/// A subnet whose prefix length is within `prefixes`.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(super) fn subnet_of(
    text: &str,
    prefixes: &RangeInclusive<u8>,
) -> Result<Subnet, (String, String)> {
    let parsed = text
        .split_once('/')
        .and_then(|(addr, prefix)| Some((addr.parse().ok()?, prefix.parse().ok()?)));
    let Some((addr, prefix)) = parsed else {
        return Err((
            format!("{text:?} is no IPv4 subnet"),
            "write it such as 10.1.0.0/24".to_owned(),
        ));
    };
    if !prefixes.contains(&prefix) {
        let fix = format!("choose a prefix length from {} to {}", prefixes.start(), prefixes.end());
        return Err((format!("a /{prefix} does not fit here"), fix));
    }
    let subnet = Subnet { addr, prefix };
    let first = Ipv4Addr::from(u32::from(addr) & u32::from_be_bytes(subnet.mask()));
    if first != addr {
        let fix = format!("write {first}/{prefix}");
        return Err((format!("{text} has bits set behind its prefix"), fix));
    }
    Ok(subnet)
}

/// An Ethernet address that a task can have (IEEE 802: individual, not all zero); a wrong one is
/// reported.
pub(super) fn mac_of(text: At<String>, report: &mut Report) -> Option<At<Mac>> {
    let Some(mac) = octets(&text.value) else {
        let message = format!("{:?} is no Ethernet address", text.value);
        report.add(&text.place, message, "write six octets such as 02:00:00:00:00:02");
        return None;
    };
    if mac[0] & 1 == 1 || mac == Mac::default() {
        let message = format!("{} is no address of one interface", text.value);
        report.add(&text.place, message, "let the first octet be even, best 02");
        return None;
    }
    Some(At { value: mac, place: text.place })
}

fn octets(text: &str) -> Option<Mac> {
    let mut mac = Mac::default();
    let mut parts = text.split(':');
    for octet in &mut mac {
        let hex = |part: &&str| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit());
        let part = parts.next().filter(hex)?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}
