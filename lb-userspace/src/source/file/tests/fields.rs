//! Every field of the file and where it arrives.

use std::{net::Ipv4Addr, path::Path};

use super::{super::parse_with, BASE, parsed_with_base, service, task};
use crate::{
    model::{Dns, EndpointMode, Netns, Protocol, Publish, PublishMode, ReturnMode, Scheduler},
    source::local_port_warnings,
};

#[test]
fn cluster_fields() {
    let text = "[cluster]\nvxlan_port = 5000\nmesh_vni = 7\ngateway_subnet = \"172.20.0.0/20\"\n\
                hold_ms = 0\nseed = \"s\"\n";
    let cluster = parsed_with_base(text).unwrap().cluster;
    assert_eq!((cluster.vxlan_port, cluster.mesh_vni, cluster.hold_ms), (5000, 7, 0));
    assert_eq!(cluster.gateway.to_string(), "172.20.0.0/20");
    assert_eq!(cluster.hash_key, crate::source::derive::hash_key(Some("s")));
}

#[test]
fn a_seed_file_gives_the_same_key_as_the_seed() {
    let text = format!("{BASE}[cluster]\nseed_file = \"swarmlb.seed\"\n");
    let read = |file: &Path| {
        assert_eq!(file, Path::new("swarmlb.seed"));
        Ok("s\n".to_owned())
    };
    let (state, warnings) = parse_with(Path::new("cluster.toml"), &text, &read).unwrap();
    assert_eq!(state.cluster.hash_key, crate::source::derive::hash_key(Some("s")));
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn node_and_network_fields() {
    let text = "vni = 0x1388\ninternal = true\n[[node]]\nname = \"n3\"\naddress = \"198.18.0.3\"\n\
                interfaces = [\"eth0\", \"eth1\"]\n";
    let state = parsed_with_base(text).unwrap();
    assert_eq!(state.networks[0].first.vni, 5000);
    assert!(state.networks[0].internal);
    assert_eq!(state.node("n3").unwrap().interfaces, ["eth0", "eth1"]);
}

#[test]
fn service_fields() {
    let publish =
        "publish = [{ published = 53, target = 5353, protocol = \"udp\", mode = \"host\" }]";
    let lines = format!(
        "aliases = [\"www\", \"shop.web\"]\nnetworks = [\"net\"]\nmode = \"vip\"\nscheduler = \"source\"\naffinity = \"client-ip\"\n\
         return = \"direct\"\nvip = {{ net = \"10.1.0.9\" }}\n{publish}"
    );
    let state = parsed_with_base(&service("web", &lines)).unwrap();
    let web = &state.services[0];
    assert_eq!((web.mode, web.scheduler), (EndpointMode::Vip, Scheduler::Source));
    assert_eq!((web.return_mode, web.client_ip_affinity), (ReturnMode::Direct, true));
    assert_eq!(web.aliases, ["www", "shop.web"]);
    assert_eq!(web.vips["net"], Ipv4Addr::new(10, 1, 0, 9));
    let wanted =
        Publish { published: 53, target: 5353, protocol: Protocol::Udp, mode: PublishMode::Host };
    assert_eq!(web.publish, [wanted]);
}

#[test]
fn dns_fields() {
    let text = "[dns]\nenabled = true\nresolv_conf = false\nndots = 1\n\
                upstream = [\"1.1.1.1\", \"10.0.0.2:5353\", \"2001:db8::1\"]\n\
                search = [\"corp.example.\"]\n";
    let dns = parsed_with_base(text).unwrap().dns;
    assert_eq!((dns.enabled, dns.resolv_conf, dns.ndots), (true, false, 1));
    let upstream: Vec<_> = dns.upstream.iter().map(ToString::to_string).collect();
    assert_eq!(upstream, ["1.1.1.1:53", "10.0.0.2:5353", "[2001:db8::1]:53"]);
    assert_eq!(dns.search, ["corp.example"]);
    assert_eq!(parsed_with_base("").unwrap().dns, Dns::default());
}

#[test]
fn task_fields_and_order() {
    let lines = "weight = 0\naddresses = { net = \"10.1.0.200\" }\n";
    let text = service("web", "networks = [\"net\"]")
        + &task("web.1", "n2", lines)
        + &task("web.2", "n1", "number = 3");
    let state = parsed_with_base(&text).unwrap();
    let [second, first] = &state.services[0].tasks[..] else { panic!("two tasks expected") };
    assert_eq!((second.name.as_str(), second.number, second.weight), ("web.2", 3, 1));
    assert_eq!((first.number, first.weight, first.node.as_str()), (200, 0, "n2"));
    assert_eq!(first.netns, Netns::Path("/run/netns/web.1".into()));
}

#[test]
fn warnings_say_what_may_surprise() {
    let ports = "publish = [{ published = 40000, target = 1, protocol = \"udp\" }]";
    let text = BASE.to_owned()
        + &service("idle", ports)
        + &service("drained", "")
        + &task("t", "n1", "weight = 0");
    let (state, warnings) = parse_with(Path::new("c"), &text, &|_| unreachable!()).unwrap();
    let text: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    let expected =
        ["no seed", "firewall", "datagrams", "\"idle\": has no task", "\"drained\": all weights"];
    assert_eq!(text.len(), expected.len(), "{text:?}");
    assert!(text.iter().zip(expected).all(|(text, part)| text.contains(part)), "{text:?}");
    assert_eq!(local_port_warnings(&state, &(32768..=60999)).len(), 1);
    assert_eq!(local_port_warnings(&state, &(50000..=60999)).len(), 0);
}
