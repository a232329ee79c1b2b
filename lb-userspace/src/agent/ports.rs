//! Published ports against the node's own processes: a port that one of them holds is not taken
//! away from it; it is left out on this node, told, and tried again.
use std::collections::{BTreeMap, BTreeSet};

use lb_common::port::{TCP, UDP, port_index};

use crate::{
    compile::MapContents,
    host::ports::{Port, Reservation},
    model::Protocol,
};

/// The ports that `contents` publishes.
pub(super) fn published(contents: &MapContents) -> BTreeSet<Port> {
    contents.ports.keys().map(|&index| port_at(index)).collect()
}

/// Leaves ports out of `contents` that a process of the node holds, unless they were `published`
/// here before: then their flows go on. Returns what is to be told.
pub(super) fn leave_out(
    contents: &mut MapContents,
    reservations: &BTreeMap<Port, Reservation>,
    published: impl Fn(u32) -> bool,
) -> Vec<String> {
    let mut problems = Vec::new();
    for (&port, reservation) in reservations {
        let index = index_of(port);
        let kept = index.is_some_and(&published);
        let Some(trouble) = trouble(port, reservation, kept) else { continue };
        problems.push(trouble);
        if let (Some(index), false, Reservation::InUse(_)) = (index, kept, reservation) {
            contents.ports.remove(&index);
        }
    }
    problems
}

fn trouble((protocol, port): Port, reservation: &Reservation, kept: bool) -> Option<String> {
    let port = format!("published port {port}/{protocol}");
    match reservation {
        Reservation::Reserved => None,
        Reservation::Refused(kind) => {
            Some(format!("{port} could not be reserved on this node: {kind}"))
        }
        Reservation::InUse(owner) => {
            let owner =
                owner.as_ref().map_or_else(|| "another process".into(), ToString::to_string);
            let outcome = match kept {
                true => "clients reach the service, that process gets nothing more",
                false => "it is not published on this node; stop that process or publish another",
            };
            Some(format!("{port} is held by {owner}: {outcome}"))
        }
    }
}

const fn port_at(index: u32) -> Port {
    let protocol = if index < 65536 { Protocol::Tcp } else { Protocol::Udp };
    (protocol, index as u16)
}

const fn index_of((protocol, port): Port) -> Option<u32> {
    port_index(
        match protocol {
            Protocol::Tcp => TCP,
            Protocol::Udp => UDP,
        },
        port,
    )
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use lb_common::port::PublishedPort;

    use super::*;

    const WEB: Port = (Protocol::Tcp, 80);
    const DNS: Port = (Protocol::Udp, 53);

    fn contents() -> MapContents {
        let port = PublishedPort { service: 1, target: 8080, reserved: 0 };
        let ports = [WEB, DNS].map(|port_of| (index_of(port_of).unwrap(), port));
        MapContents { ports: ports.into(), ..Default::default() }
    }

    #[test]
    fn ports_are_told_apart_by_protocol() {
        assert_eq!(published(&contents()), [WEB, DNS].into());
    }

    #[test]
    fn a_port_in_use_is_left_out_and_told() {
        let mut contents = contents();
        let found = [(WEB, Reservation::Reserved), (DNS, Reservation::InUse(None))].into();
        let problems = leave_out(&mut contents, &found, |_| false);
        assert_eq!(published(&contents), [WEB].into());
        assert!(problems[0].contains("53/udp is held by another process"), "{problems:?}");
    }

    #[test]
    fn a_port_that_was_published_before_stays_so() {
        let mut contents = contents();
        let found = [(DNS, Reservation::InUse(None))].into();
        let problems = leave_out(&mut contents, &found, |_| true);
        assert_eq!(published(&contents), [WEB, DNS].into());
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn a_port_that_cannot_be_reserved_is_published_all_the_same() {
        let mut contents = contents();
        let found = [(WEB, Reservation::Refused(ErrorKind::PermissionDenied))].into();
        assert_eq!(leave_out(&mut contents, &found, |_| false).len(), 1);
        assert!(published(&contents).contains(&WEB));
    }
}
