//! Views of networks: what they show of pinned maps while nobody holds the data plane open.

use std::net::Ipv4Addr;

use aya::maps::{HashMap, Map, MapData};
use lb_common::{
    endpoint::{VIPFLOW_ANSWERED, VipFlowKey, VipFlowValue},
    port::TCP,
};
use lb_userspace::observe::{NetworkDetail, NetworkList, Pins, ServiceList, VipFlowList};

use crate::{
    bed::{self, Bed},
    writes::in_network,
};

/// Pins of a node whose agent has gone.
fn left_behind(bed: &Bed) -> Pins {
    bed.open().expect("opened").apply(&in_network(&[1, 2])).expect("applied");
    Pins::open(bed.root()).expect("pins")
}

#[test]
fn a_network_shows_who_is_in_it() {
    bed::run(|bed| {
        let snapshot = left_behind(bed).snapshot().expect("read");
        let networks = NetworkList::new(&snapshot).networks;
        assert_eq!((networks.len(), networks[0].vips, networks[0].tasks), (1, 1, 2));
        assert!(networks[0].internal);
        assert_eq!(networks[0].subnets[0].subnet, "10.20.0.0/24");
        let detail = NetworkDetail::new(&snapshot, "front").expect("there");
        let members: Vec<_> =
            detail.endpoints.iter().map(|member| (member.kind, member.name.as_deref())).collect();
        let task = |name| ("task", Some(name));
        assert_eq!(members, [task("web.1"), task("web.2"), ("vip", Some("web"))]);
        assert_eq!(detail.endpoints[0].node.as_deref(), Some("n2"));
    });
}

#[test]
fn a_virtual_ip_shows_with_its_service_and_its_flows_with_their_task() {
    bed::run(|bed| {
        let pins = left_behind(bed);
        let client = [10, 20, 0, 2];
        let key = VipFlowKey {
            vni: 4096,
            client,
            backend: [10, 20, 0, 1],
            client_port: 40_000u16.to_be_bytes(),
            port: 80u16.to_be_bytes(),
            proto: TCP,
            reserved: 0,
            reserved2: 0,
        };
        let value = VipFlowValue {
            vip: [10, 20, 0, 9],
            service: 2,
            backend: 1,
            generation: 7,
            flags: VIPFLOW_ANSWERED,
            reserved: 0,
        };
        let map = MapData::from_pin(bed.pin("maps/VIPFLOWS")).expect("a pin");
        let mut flows: HashMap<_, VipFlowKey<_>, VipFlowValue<_>> =
            Map::from_map_data(map).expect("a map").try_into().expect("a hash");
        flows.insert(key, value, 0).expect("inserted");

        let snapshot = pins.snapshot().expect("read");
        let stats = pins.stats(&snapshot).expect("read");
        let services = ServiceList::new(&snapshot, &stats, &[]).services;
        assert_eq!(services.len(), 1, "{services:?}");
        assert_eq!(services[0].vips[0].address, Some(Ipv4Addr::new(10, 20, 0, 9)));
        let flows = pins.vip_flows().expect("read");
        let list = VipFlowList::new(&snapshot, &flows, Some("web"), 9).expect("there");
        let [flow] = &list.flows[..] else { panic!("one flow expected: {list:?}") };
        assert_eq!((flow.client_name.as_str(), flow.task.as_str()), ("web.2", "web.1"));
        assert_eq!((flow.service.as_str(), flow.answered), ("web", true));
    });
}
