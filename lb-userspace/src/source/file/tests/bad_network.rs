//! Bad input across nodes and networks: addresses, subnets, VNIs, numbers.

use super::{refused, refuses, service, task};
use crate::{model::NetworkSubnet, source::derive};

/// The lines of a service in `net` with one task that has these lines.
fn in_net(lines: &str) -> String {
    service("web", "networks = [\"net\"]") + &task("web.1", "n1", lines)
}

refused! {
    node_address_malformed: "[[node]]\nname = \"n3\"\naddress = \"198.18.0\" #!"
        => ["\"198.18.0\" is no IPv4 address", "four numbers"];
    node_address_loopback: "[[node]]\nname = \"n3\"\naddress = \"127.0.0.1\" #!"
        => ["127.0.0.1 cannot be a node's address"];
    node_address_twice: "[[node]]\nname = \"n3\"\naddress = \"198.18.0.1\" #!"
        => ["already that of node \"n1\" (line 4)"];
    node_in_a_network: "[[node]]\nname = \"n3\"\naddress = \"10.1.0.9\" #!"
        => ["node \"n3\", address: 10.1.0.9 lies in subnet 10.1.0.0/24 of network \"net\" (line 10)"];
    node_in_the_gateway_subnet: "[[node]]\nname = \"n3\"\naddress = \"172.31.5.5\" #!"
        => ["lies in the gateway subnet 172.31.0.0/16", "set gateway_subnet"];

    subnet_malformed: "[[network]]\nname = \"b\"\nsubnet = \"10.2.0.0\" #!" => ["is no IPv4 subnet"];
    subnet_with_host_bits: "[[network]]\nname = \"b\"\nsubnet = \"10.2.0.1/24\" #!"
        => ["bits set behind its prefix", "write 10.2.0.0/24"];
    subnet_too_small: "[[network]]\nname = \"b\"\nsubnet = \"10.2.0.0/30\" #!" => ["a /30 does not fit", "8 to 29"];
    subnet_of_multicast: "[[network]]\nname = \"b\"\nsubnet = \"224.2.0.0/24\" #!" => ["is not for hosts"];
    subnets_overlap: "[[network]]\nname = \"b\"\nsubnet = \"10.1.0.128/25\" #!"
        => ["10.1.0.128/25 overlaps 10.1.0.0/24 of network \"net\" (line 10)"];
    subnet_overlaps_the_gateway: "[[network]]\nname = \"b\"\nsubnet = \"172.31.1.0/24\" #!"
        => ["overlaps the gateway subnet 172.31.0.0/16"];
    gateway_subnet_too_large: "[cluster]\ngateway_subnet = \"172.16.0.0/12\" #!" => ["a /12", "16 to 29"];
    gateway_subnet_too_small: "[cluster]\ngateway_subnet = \"172.31.0.0/30\" #!" => ["a /30", "16 to 29"];
    gateway_subnet_of_loopback: "[cluster]\ngateway_subnet = \"127.1.0.0/16\" #!" => ["is not for hosts"];

    vni_too_low: "vni = 100 #!" => ["VNI 100 is out of range", "from 4096 to 16777215"];
    vni_too_high: "vni = 16777216 #!" => ["VNI 16777216 is out of range"];
    vni_of_the_mesh: "vni = 4094 #!" => ["VNI 4094 is the routing mesh's own"];
    vni_of_mesh_replies: "vni = 4095 #!" => ["VNI 4095 is the routing mesh's own"];
    vni_twice: "vni = 5000\n[[network]]\nname = \"b\"\nvni = 5000 #!"
        => ["its VNI is also that of network \"net\" (line 11)"];

    address_outside: in_net("addresses = { net = \"10.2.0.5\" } #!")
        => ["task \"web.1\", addresses.net: 10.2.0.5 lies outside", "10.1.0.0/24", "from 10.1.0.2 to 10.1.0.254"];
    address_of_the_network: in_net("addresses = { net = \"10.1.0.0\" } #!") => ["is the network address of 10.1.0.0/24"];
    address_of_the_gateway: in_net("addresses = { net = \"10.1.0.1\" } #!") => ["is the gateway's address"];
    address_of_broadcast: in_net("addresses = { net = \"10.1.0.255\" } #!") => ["is the broadcast address"];
    address_malformed: in_net("addresses = { net = \"10.1.0.256\" } #!") => ["is no IPv4 address"];
    address_in_a_foreign_network: in_net("addresses = { nett = \"10.1.0.5\" } #!")
        => ["\"nett\" is not a network of the service", "did you mean \"net\"?"];
    address_without_networks: service("web", &task("web.1", "n1", "addresses = { net = \"10.1.0.5\" } #!"))
        => ["\"net\" is not a network of the service", "add networks = [\"net\"]"];
    address_twice: in_net("addresses = { net = \"10.1.0.5\" }") + &task("web.2", "n2", "addresses = { net = \"10.1.0.5\" } #!")
        => ["10.1.0.5 in network \"net\" is also that of service \"web\", task \"web.1\" (line 19)"];
    address_of_a_vip: service("web", "networks = [\"net\"]\nvip = { net = \"10.1.0.5\" }")
        + &task("web.1", "n1", "addresses = { net = \"10.1.0.5\" } #!")
        => ["is also that of service \"web\" (line 15)"];
    vip_outside: service("web", "networks = [\"net\"]\nvip = { net = \"10.2.0.5\" } #!") => ["service \"web\", vip.net", "outside"];
    vip_of_dnsrr: service("web", "networks = [\"net\"]\nmode = \"dnsrr\"\nvip = { net = \"10.1.0.5\" } #!")
        => ["mode = \"dnsrr\" has no VIP"];

    number_twice: service("web", "") + &task("web.1", "n1", "number = 7") + &task("web.2", "n1", "number = 7 #!")
        => ["its backend number 7 is also that of service \"web\", task \"web.1\" (line 16)"];
    number_of_a_derived_one: in_net("addresses = { net = \"10.1.0.5\" }") + &task("web.2", "n2", "number = 5 #!")
        => ["its backend number 5 is also that of"];
    number_does_not_fit: "[[network]]\nname = \"wide\"\nsubnet = \"11.0.0.0/8\"\n[[service]]\nname = \"web\"\nnetworks = [\"wide\"]\n\
        [[service.task]]\nname = \"web.1\" #!\nnode = \"n1\"\nnetns = \"a\"\naddresses = { wide = \"11.1.0.0\" }"
        => ["11.1.0.0 is too far into the subnet", "add number = N"];

    gateway_subnet_full: "[cluster]\ngateway_subnet = \"172.31.0.0/29\"\n[[node]]\nname = \"n3\" #!\naddress = \"198.18.0.3\"\n".to_owned()
        + &service("web", "") + &(1..=6).map(|i| task(&format!("t{i}"), "n3", &format!("number = {i}"))).collect::<String>()
        => ["its 6 tasks do not fit gateway_subnet 172.31.0.0/29, which has room for 5"];
}

/// The first two names `prefix.N` for which `derive` gives the same value.
fn twins<T: Eq + std::hash::Hash>(prefix: &str, derive: impl Fn(&str) -> T) -> (String, String) {
    let mut seen = std::collections::HashMap::new();
    for i in 0.. {
        let name = format!("{prefix}.{i}");
        if let Some(twin) = seen.insert(derive(&name), name.clone()) {
            return (twin, name);
        }
    }
    unreachable!("names do not end");
}

#[test]
fn derived_subnets_that_meet() {
    let (a, b) = twins("net", derive::subnet);
    let text = format!("[[network]]\nname = \"{a}\"\n[[network]]\nname = \"{b}\" #!\n");
    refuses(
        &text,
        &[
            &format!("network \"{b}\", name: 10."),
            &format!("of network \"{a}\" (line 12)"),
            "subnet =",
        ],
    );
}

#[test]
fn derived_addresses_that_meet() {
    let net = "[[network]]\nname = \"other\"\n";
    let subnet = derive::subnet("other");
    let part = NetworkSubnet { vni: 4096, subnet, gateway: subnet.gateway() };
    let pool = derive::Pool::new(&part, None);
    let (a, b) = twins("t", |name| derive::task_address("other", pool, name));
    let service = service("web", "networks = [\"other\"]") + &task(&a, "n1", "");
    let task = format!("[[service.task]]\nname = \"{b}\" #!\nnode = \"n1\"\nnetns = \"b\"\n");
    let text = format!("{net}{service}{task}");
    refuses(
        &text,
        &[
            &format!("task \"{b}\""),
            &format!("also that of service \"web\", task \"{a}\""),
            "addresses = ",
        ],
    );
}

#[test]
fn derived_numbers_that_meet() {
    let (a, b) = twins("t", derive::number_of_name);
    let service = service("web", "") + &task(&a, "n1", "");
    let task = format!("[[service.task]]\nname = \"{b}\" #!\nnode = \"n1\"\nnetns = \"b\"\n");
    refuses(
        &format!("{service}{task}"),
        &["its backend number", &format!("task \"{a}\""), "number = N"],
    );
}
