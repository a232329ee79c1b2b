//! Writes: `apply` makes the maps hold what is wanted, whatever they held, and no more than that.

use std::collections::BTreeMap;

use lb_common::{
    backend::{STATE_ACTIVE, STATE_NONE},
    endpoint::{
        ENDPOINT_NETWORK, ENDPOINT_TASK, ENDPOINT_VIP, Endpoint, EndpointKey, OverlayLeg,
        overlay_leg_index,
    },
    info::{EndpointInfo, pack_name},
    peer::{PEER_PRESENT, PEER_RESOLVED},
    port::PublishedPort,
    row::Row,
    service::{Range, SCHEDULER_HASH},
};
use lb_userspace::{
    compile::{
        BackendContents, EndpointContents, MapContents, NetworkContents, PeerContents,
        ServiceContents,
    },
    dataplane::{Dataplane, Maps, PeerHop, Pins, Report},
    model::{Reach, Subnet},
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
fn networks_are_read_back_and_repaired() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        let wanted = in_network(&[1, 2]);
        dataplane.apply(&wanted).expect("applied");
        assert_eq!(dataplane.maps().contents().expect("read"), wanted);
        assert_eq!(dataplane.apply(&wanted).expect("applied"), Report::default());
        drop(dataplane);

        let maps = Maps::open(&Pins::new(bed.root())).expect("opened");
        let Maps { mut endpoints, endpoint_info: mut names, backends, .. } = maps;
        endpoints.remove(&key(2)).expect("was there");
        let stranger = Endpoint { kind: ENDPOINT_TASK, ..Default::default() };
        endpoints.insert(key(77), stranger, 0).expect("inserted");
        names.insert(key(78), EndpointInfo { name: pack_name("nobody") }, 0).expect("inserted");
        names.remove(&key(1)).expect("was there");
        let index = backends.iter().find(|(_, backend)| backend.addr == [10, 20, 0, 1]);
        backends.set_word(index.expect("there").0, 1, 0).expect("in range");

        let mut restarted = bed.open().expect("opened again");
        assert!(restarted.apply(&wanted).expect("applied").writes >= 5);
        assert_eq!(restarted.maps().contents().expect("read"), wanted);
        assert_eq!(restarted.maps().endpoint_info.keys().count(), 3, "two tasks, a virtual IP");
    });
}

#[test]
fn an_address_that_changes_hands_is_overwritten() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        let mut wanted = in_network(&[1, 2]);
        dataplane.apply(&wanted).expect("applied");
        let moved = wanted.endpoints.get_mut(&key(1)).expect("there");
        moved.name = "heir.1".into();
        moved.endpoint.node = 1;
        assert_eq!(dataplane.apply(&wanted).expect("applied").changes, 1);
        assert_eq!(dataplane.maps().contents().expect("read"), wanted);
    });
}

#[test]
fn overlay_legs_stand_by_interface_index() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        let leg = |ifindex| OverlayLeg {
            ifindex,
            vni: 4096,
            addr: [10, 20, 0, 1],
            mac: [2, 0x42, 10, 20, 0, 1],
            mtu: 1450,
            ..Default::default()
        };
        assert_eq!(dataplane.set_overlay_legs(&[leg(7), leg(65_600)]).expect("set"), 2);
        assert_eq!(dataplane.set_overlay_legs(&[leg(7), leg(65_600)]).expect("set"), 0);
        let pinned = |dataplane: &Dataplane, ifindex| {
            dataplane.maps().overlay_legs.get(overlay_leg_index(ifindex)).map(|leg| leg.ifindex)
        };
        assert_eq!(pinned(&dataplane, 64), Some(65_600));
        assert!(dataplane.set_overlay_legs(&[leg(7), leg(65_543)]).is_err(), "one place for two");
        assert_eq!(dataplane.set_overlay_legs(&[leg(65_543)]).expect("set"), 1, "7 is gone");
        assert_eq!(pinned(&dataplane, 7), Some(65_543));
        assert_eq!(dataplane.retain_overlay_legs(&[65_600].into()).expect("swept"), 1);
        assert_eq!(dataplane.overlay_legs(), [leg(65_600)]);
    });
}

#[test]
fn nothing_wanted_leaves_nothing() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        dataplane.set_node("n1", GLOBALS.node_addr).expect("set");
        dataplane.apply(&in_network(&[1, 2])).expect("applied");
        dataplane.apply(&MapContents::default()).expect("applied");
        let maps = dataplane.maps();
        assert_eq!(maps.contents().expect("read"), MapContents::default());
        assert_eq!(maps.services.get(1), Some(Default::default()));
        assert_eq!(maps.service_info.keys().count() + maps.task_info.keys().count(), 0);
        assert_eq!(maps.peer_index.get(&GLOBALS.node_addr, 0).expect("this node stays"), 0);
        assert_eq!((maps.peer_index.keys().count(), maps.node_info.keys().count()), (1, 1));
        assert_eq!(maps.endpoint_info.keys().count() + maps.network_info.keys().count(), 0);
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
        flags: 0,
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
        peers: BTreeMap::from([(
            1,
            PeerContents { name: "n2".into(), addr: N2, reach: Reach::Mesh },
        )]),
        ..Default::default()
    }
}

/// As [`contents`], and `web` again as the virtual IP 10.20.0.9 of network `front`, with tasks at
/// 10.20.0.NUMBER.
pub(crate) fn in_network(numbers: &[u16]) -> MapContents {
    let mut contents = contents(numbers, 4);
    let mut vip = ServiceContents { name: "web@front".into(), ..contents.services[&1].clone() };
    for (&number, backend) in &mut vip.backends {
        (backend.leg, backend.addr) = (None, [10, 20, 0, number as u8]);
    }
    let endpoint = |kind, service| Endpoint { kind, vni: 4096, service, ..Default::default() };
    let mut add = |last, name: &str, endpoint| {
        contents.endpoints.insert(key(last), EndpointContents { name: name.into(), endpoint });
    };
    vip.backends.iter().for_each(|(&number, backend)| {
        let task = Endpoint { node: backend.peer, ..endpoint(ENDPOINT_TASK, 2) };
        add(number as u8, &backend.task, task);
    });
    add(9, "web", endpoint(ENDPOINT_VIP, 2));
    let known = EndpointContents { name: String::new(), endpoint: endpoint(ENDPOINT_NETWORK, 0) };
    contents.endpoints.insert(EndpointKey { vni: 4096, addr: [0; 4] }, known);
    let subnet = Subnet { addr: [10, 20, 0, 0].into(), prefix: 24 };
    let gateway = subnet.gateway().octets();
    let network = NetworkContents { name: "front".into(), subnet, gateway, internal: true };
    contents.networks.insert(4096, network);
    contents.services.insert(2, vip);
    contents
}

fn key(last: u8) -> EndpointKey<[u8; 4]> {
    EndpointKey { vni: 4096, addr: [10, 20, 0, last] }
}

/// Ranges of service 1: rows and backends.
fn ranges(dataplane: &Dataplane) -> (Range, Range) {
    let service = dataplane.maps().services.get(1).expect("in range");
    let range = |word| Range::unpack(word).expect("a range");
    (range(service.rows), range(service.backends))
}
