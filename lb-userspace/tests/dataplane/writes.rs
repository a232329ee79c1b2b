//! Writes: `apply` makes the maps hold what is wanted, whatever they held, and no more than that.

use std::collections::BTreeMap;

use lb_common::{
    backend::{STATE_ACTIVE, STATE_NONE},
    peer::{PEER_PRESENT, PEER_RESOLVED},
    port::PublishedPort,
    row::Row,
    service::{Range, SCHEDULER_HASH},
};
use lb_userspace::{
    compile::{BackendContents, MapContents, PeerContents, ServiceContents},
    dataplane::{Dataplane, PeerHop, Report},
};
use nix::net::if_::if_nametoindex;

use crate::bed::{self, GLOBALS};

const N2: [u8; 4] = [198, 18, 0, 2];

#[test]
fn what_is_applied_is_read_back_and_a_second_time_nothing_is_written() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        let wanted = contents(&[1, 2], 4);
        let report = dataplane.apply(&wanted).expect("applied");
        assert!(report.changes >= 5 && report.writes >= 8, "{report:?}");
        assert_eq!(dataplane.maps().contents().expect("read"), wanted);
        assert_eq!(dataplane.apply(&wanted).expect("applied"), Report::default());
        drop(dataplane);
        let mut restarted = bed.open().expect("opened again");
        assert_eq!(
            restarted.apply(&wanted).expect("applied"),
            Report::default(),
            "also after a restart"
        );
    });
}

#[test]
fn new_rows_lie_in_a_new_range_of_the_next_generation() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        dataplane.apply(&contents(&[1], 4)).expect("applied");
        let before = ranges(&dataplane);
        dataplane.apply(&contents(&[1, 2], 8)).expect("applied");
        let after = ranges(&dataplane);
        assert_eq!((before.0.log2, after.0.log2), (2, 3));
        assert_eq!(after.0.generation, before.0.generation + 1);
        assert!(after.0.base >= before.0.base + before.0.len(), "the old range rests: {after:?}");
        assert!(dataplane.maps().services.get(1).expect("there").quiet_until_ns > 0);
    });
}

#[test]
fn a_higher_number_moves_the_backends_and_keeps_generations() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        dataplane.apply(&contents(&[1, 2], 4)).expect("applied");
        let small = ranges(&dataplane).1;
        dataplane.apply(&contents(&[2], 4)).expect("applied");
        assert_eq!(ranges(&dataplane).1, small, "in place");
        let wanted = contents(&[2, 300], 4);
        dataplane.apply(&wanted).expect("applied");
        let large = ranges(&dataplane).1;
        assert_eq!((small.log2, large.log2), (2, 9));
        assert_eq!(dataplane.maps().contents().expect("read"), wanted);

        let gone = dataplane.maps().backends.get(large.base + 1).expect("in range");
        assert_eq!((gone.state, gone.generation), (STATE_NONE, 7), "a number remembers its lives");
        let previous = dataplane.maps().previous().expect("read");
        let web = previous.services.get("web").expect("there");
        assert_eq!(web.backends.get(&300), Some(&("web.300".to_owned(), 7)));
        assert_eq!(web.backends.get(&1), Some(&(String::new(), 7)));
        assert_eq!((web.index, web.rows.len(), previous.peers.get(&N2)), (1, 4, Some(&1)));
    });
}

#[test]
fn drift_is_repaired() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        let wanted = contents(&[1, 2], 4);
        dataplane.apply(&wanted).expect("applied");
        let maps = dataplane.maps();
        maps.ports.set(80, PublishedPort::default()).expect("in range");
        maps.ports.set(81, PublishedPort { service: 9, target: 1, flags: 0 }).expect("in range");
        maps.rows.set(ranges(&dataplane).0.base, Row::of(77)).expect("in range");
        let peer = maps.peers.get(1).expect("in range");
        maps.peers.set(1, lb_common::peer::Peer { ip_sum: 1, ..peer }).expect("in range");
        dataplane.apply(&wanted).expect("applied");
        assert_eq!(dataplane.maps().contents().expect("read"), wanted);
        assert_eq!(dataplane.maps().peers.get(1), Some(peer));
    });
}

#[test]
fn nothing_wanted_leaves_nothing() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        dataplane.set_node("n1", GLOBALS.node_addr).expect("set");
        dataplane.apply(&contents(&[1, 2], 4)).expect("applied");
        dataplane.apply(&MapContents::default()).expect("applied");
        let maps = dataplane.maps();
        assert_eq!(maps.contents().expect("read"), MapContents::default());
        assert_eq!(maps.services.get(1), Some(Default::default()));
        assert_eq!(maps.service_info.keys().count() + maps.task_info.keys().count(), 0);
        assert_eq!(maps.peer_index.get(&GLOBALS.node_addr, 0).expect("this node stays"), 0);
        assert_eq!((maps.peer_index.keys().count(), maps.node_info.keys().count()), (1, 1));
    });
}

#[test]
fn the_way_to_a_peer_outlives_updates() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        dataplane.apply(&contents(&[1], 4)).expect("applied");
        let hop = PeerHop { ifindex: 3, src_mac: [1; 6], dst_mac: [2; 6], mtu: 1500 };
        assert!(dataplane.set_peer_hop(1, Some(hop)).expect("set"));
        assert!(!dataplane.set_peer_hop(1, Some(hop)).expect("set"), "the same again");
        assert!(!dataplane.set_peer_hop(2, Some(hop)).expect("set"), "no such peer");
        dataplane.apply(&contents(&[1, 2], 4)).expect("applied");
        let peer = dataplane.maps().peers.get(1).expect("in range");
        assert_eq!((peer.flags, peer.ifindex), (PEER_PRESENT | PEER_RESOLVED, 3));
        dataplane.set_peer_hop(1, None).expect("set");
        assert_eq!(dataplane.maps().peers.get(1).map(|peer| peer.flags), Some(PEER_PRESENT));
    });
}

#[test]
fn devices_are_those_of_this_namespace() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        let [va, vb] = ["va", "vb"].map(|name| if_nametoindex(name).expect("an interface"));
        assert_eq!(dataplane.set_devices(&[va, vb].into()).expect("set"), 2);
        assert_eq!(dataplane.set_devices(&[va].into()).expect("set"), 1);
        assert_eq!(dataplane.set_devices(&[va].into()).expect("set"), 0);
        assert!(dataplane.set_devices(&[va, 4_000_000].into()).is_err(), "no such interface");
    });
}

/// One service `web` on port 80 with these backends, on this node and on n2 in turn.
fn contents(numbers: &[u16], rows: usize) -> MapContents {
    let backend = |number: u16| BackendContents {
        task: format!("web.{number}"),
        node: format!("n{}", 1 + number % 2),
        peer: number % 2,
        leg: number.is_multiple_of(2).then_some([10, 231, 1, 2]),
        addr: [0; 4],
        state: STATE_ACTIVE,
        weight: 1,
        generation: 7,
    };
    let service = ServiceContents {
        name: "web".into(),
        seed: 0xdead_beef,
        scheduler: SCHEDULER_HASH,
        flags: 2,
        rows: numbers.iter().cycle().take(rows).map(|&number| Row::of(number)).collect(),
        backends: numbers.iter().map(|&number| (number, backend(number))).collect(),
    };
    MapContents {
        ports: BTreeMap::from([(80, PublishedPort { service: 1, target: 8080, flags: 0 })]),
        services: BTreeMap::from([(1, service)]),
        peers: BTreeMap::from([(1, PeerContents { name: "n2".into(), addr: N2 })]),
        ..Default::default()
    }
}

/// Ranges of service 1: rows and backends.
fn ranges(dataplane: &Dataplane) -> (Range, Range) {
    let service = dataplane.maps().services.get(1).expect("in range");
    let range = |word| Range::unpack(word).expect("a range");
    (range(service.rows), range(service.backends))
}
