//! Published ports against the node's own processes: a port that one of them holds is not taken
//! away from it; it is closed to clients of this node, told, and tried again. An engine that listens
//! itself on the ports of its services only keeps them from others, as the agent would.
use std::collections::{BTreeMap, BTreeSet};

use lb_common::port::{PORT_CLOSED, TCP, UDP, port_index};

use crate::{
    compile::MapContents,
    host::ports::{Owner, Port, Reservation},
    model::Protocol,
};

/// The ports that `contents` publishes.
pub(super) fn published(contents: &MapContents) -> BTreeSet<Port> {
    contents.ports.keys().map(|&index| port_at(index)).collect()
}

/// Closes ports of `contents` to clients of this node that a process of it holds, unless they were
/// `open` here before: then their flows go on. Returns what is to be told. A port that
/// `is_engine` holds is held for the very service that publishes it.
pub(super) fn close(
    contents: &mut MapContents,
    reservations: &BTreeMap<Port, Reservation>,
    open: impl Fn(u32) -> bool,
    is_engine: impl Fn(&Owner) -> bool,
) -> Vec<String> {
    let mut problems = Vec::new();
    let in_the_way = |reservation: &Reservation| match reservation {
        Reservation::InUse(Some(owner)) => !is_engine(owner),
        _ => true,
    };
    for (&port, reservation) in reservations.iter().filter(|(_, held)| in_the_way(held)) {
        let index = index_of(port);
        let kept = index.is_some_and(&open);
        let Some(trouble) = trouble(port, reservation, kept) else { continue };
        problems.push(trouble);
        if let (Some(index), false, Reservation::InUse(_)) = (index, kept, reservation)
            && let Some(port) = contents.ports.get_mut(&index)
        {
            port.flags |= PORT_CLOSED;
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
        let port = PublishedPort { service: 1, target: 8080, flags: 0 };
        let ports = [WEB, DNS].map(|port_of| (index_of(port_of).unwrap(), port));
        MapContents { ports: ports.into(), ..Default::default() }
    }

    fn open(contents: &MapContents) -> BTreeSet<Port> {
        let open = contents.ports.iter().filter(|(_, port)| port.is_open());
        open.map(|(&index, _)| port_at(index)).collect()
    }

    fn is_engine(owner: &Owner) -> bool {
        owner.name == "dockerd"
    }

    #[test]
    fn a_port_that_the_engine_holds_is_published() {
        for (name, problems) in [("dockerd", 0), ("nginx", 1)] {
            let mut contents = contents();
            let owner = Owner { pid: 7, name: name.into() };
            let found = [(WEB, Reservation::InUse(Some(owner)))].into();
            let told = close(&mut contents, &found, |_| false, is_engine);
            assert_eq!((told.len(), open(&contents).contains(&WEB)), (problems, problems == 0));
        }
    }

    #[test]
    fn ports_are_told_apart_by_protocol() {
        assert_eq!(published(&contents()), [WEB, DNS].into());
    }

    #[test]
    fn a_port_in_use_is_closed_and_told() {
        let mut contents = contents();
        let found = [(WEB, Reservation::Reserved), (DNS, Reservation::InUse(None))].into();
        let problems = close(&mut contents, &found, |_| false, is_engine);
        assert_eq!(open(&contents), [WEB].into());
        assert!(problems[0].contains("53/udp is held by another process"), "{problems:?}");
    }

    #[test]
    fn a_port_that_was_published_before_stays_so() {
        let mut contents = contents();
        let found = [(DNS, Reservation::InUse(None))].into();
        let problems = close(&mut contents, &found, |_| true, is_engine);
        assert_eq!(open(&contents), [WEB, DNS].into());
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn a_port_that_cannot_be_reserved_is_published_all_the_same() {
        let mut contents = contents();
        let found = [(WEB, Reservation::Refused(ErrorKind::PermissionDenied))].into();
        assert_eq!(close(&mut contents, &found, |_| false, is_engine).len(), 1);
        assert!(open(&contents).contains(&WEB));
    }
}
