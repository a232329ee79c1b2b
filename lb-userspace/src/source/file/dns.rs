//! The `[dns]` table: how tasks' names are resolved. Read and checked in one go, since nothing else
//! in the file bears on it.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
};

use super::{
    report::{At, Place, Report},
    section::{Section, Unread},
};
use crate::model::{Dns, RESOLVER};

/// Port of a name server that is named without one.
const DNS_PORT: u16 = 53;
/// Most servers and search domains, as resolv.conf(5) has it: MAXNS and MAXDNSRCH before glibc 2.26.
const MAX_UPSTREAM: usize = 3;
const MAX_SEARCH: usize = 6;
/// Values of `ndots` that resolv.conf(5) knows.
const NDOTS: RangeInclusive<u8> = 0..=15;
/// Longest name and longest label, RFC 1035 section 2.3.4.
const MAX_DOMAIN: usize = 253;
const MAX_LABEL: usize = 63;

/// Reads the table.
pub(super) fn dns(table: Unread<'_, '_>, report: &mut Report) -> Dns {
    let known = ["enabled", "resolv_conf", "upstream", "ndots", "search"];
    let table = Unread { place: Place::entry(table.place.line, "[dns]"), ..table };
    let mut section = table.open(&known, report);
    let default = Dns::default();
    let flag = |section: &mut Section<'_, '_, '_>, key, default| {
        section.boolean(key).map_or(default, |flag| flag.value)
    };
    Dns {
        enabled: flag(&mut section, "enabled", default.enabled),
        resolv_conf: flag(&mut section, "resolv_conf", default.resolv_conf),
        upstream: each(&mut section, "upstream", MAX_UPSTREAM, server),
        ndots: section.integer("ndots", NDOTS).map_or(default.ndots, |ndots| ndots.value),
        search: each(&mut section, "search", MAX_SEARCH, domain),
    }
}

/// What is wrong with a value, and what to do about it.
type Wrong = (&'static str, &'static str);

fn each<T>(
    section: &mut Section<'_, '_, '_>,
    key: &str,
    most: usize,
    parse: fn(&str) -> Result<T, Wrong>,
) -> Vec<T> {
    let texts = section.strings(key);
    if let Some(excess) = texts.get(most) {
        let message = format!("more than {most} are listed");
        section.report.add(&excess.place, message, format!("keep at most {most}"));
    }
    texts
        .into_iter()
        .filter_map(|text| checked(&text, parse(&text.value), section.report))
        .collect()
}

fn checked<T>(text: &At<String>, parsed: Result<T, Wrong>, report: &mut Report) -> Option<T> {
    let (message, fix) = match parsed {
        Ok(value) => return Some(value),
        Err(wrong) => wrong,
    };
    report.add(&text.place, format!("{:?} {message}", text.value), fix);
    None
}

fn server(text: &str) -> Result<SocketAddr, Wrong> {
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
    let server = address.or_else(|_| text.parse());
    let server = server.map_err(|_| {
        ("is no name server", "write an address or address:port, such as 1.1.1.1 or 10.0.0.2:5353")
    })?;
    if server.port() == 0 || server.ip().is_unspecified() || server.ip().is_multicast() {
        return Err(("cannot be asked", "write the address of a name server"));
    }
    if server.ip() == RESOLVER {
        return Err(("is where a task asks swarmlb itself", "name the servers that it should ask"));
    }
    Ok(server)
}

fn domain(text: &str) -> Result<String, Wrong> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let label =
        |label: &str| !label.is_empty() && label.len() <= MAX_LABEL && label.chars().all(allowed);
    if name.len() > MAX_DOMAIN || !name.split('.').all(label) {
        return Err(("is no domain name", "write one such as corp.example"));
    }
    Ok(name.to_owned())
}
