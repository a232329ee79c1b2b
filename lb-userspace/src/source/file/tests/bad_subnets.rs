//! Bad input in networks with gateways, several subnets, ranges, and Ethernet addresses.

use super::{refused, service, task};

/// A network with this line.
fn network(line: &str) -> String {
    format!("[[network]]\nname = \"b\"\n{line} #!\n")
}

/// A network of two subnets, and a service with these lines in it.
fn two(lines: &str) -> String {
    let subnets =
        "[{ subnet = \"10.2.0.0/24\" }, { subnet = \"10.3.0.0/24\", gateway = \"10.3.0.9\" }]";
    format!(
        "[[network]]\nname = \"b\"\nsubnets = {subnets}\n[[service]]\nname = \"web\"\nnetworks = [\"b\"]\n{lines}\n"
    )
}

/// Two tasks in `net` with these lines.
fn tasks(first: &str, second: &str) -> String {
    service("web", "networks = [\"net\"]")
        + &task("web.1", "n1", first)
        + &task("web.2", "n2", second)
}

refused! {
    gateway_malformed: "gateway = \"10.1.0\" #!" => ["network \"net\", gateway: \"10.1.0\" is no IPv4 address"];
    gateway_outside: "gateway = \"10.2.0.1\" #!" => ["10.2.0.1 lies outside 10.1.0.0/24", "from 10.1.0.1 to 10.1.0.254"];
    gateway_outside_a_derived_subnet: network("gateway = \"11.2.0.1\"") => ["network \"b\", gateway: 11.2.0.1 lies outside 10."];
    gateway_of_the_network: "gateway = \"10.1.0.0\" #!" => ["10.1.0.0 is the network address of 10.1.0.0/24"];
    gateway_of_broadcast: "gateway = \"10.1.0.255\" #!" => ["10.1.0.255 is the broadcast address of 10.1.0.0/24"];
    address_of_a_chosen_gateway: "gateway = \"10.1.0.9\"".to_owned()
        + &service("web", "networks = [\"net\"]") + &task("web.1", "n1", "addresses = { net = \"10.1.0.9\" } #!")
        => ["10.1.0.9 is the gateway's address in 10.1.0.0/24", "from 10.1.0.1 to 10.1.0.254 but not the gateway's 10.1.0.9"];
    vip_of_the_gateway: service("web", "networks = [\"net\"]\nvip = { net = \"10.1.0.1\" } #!")
        => ["service \"web\", vip.net: 10.1.0.1 is the gateway's address in 10.1.0.0/24"];

    subnet_and_subnets: "subnets = [{ subnet = \"10.2.0.0/24\" }] #!"
        => ["network \"net\", subnets: subnet and subnets are both given", "remove one of them"];
    vni_and_subnets: "[[network]]\nname = \"b\"\nsubnets = [{ subnet = \"10.2.0.0/24\" }] #!\nvni = 5000"
        => ["network \"b\", subnets: vni and subnets are both given"];
    subnets_empty: network("subnets = []") => ["network \"b\", subnets: the list is empty", "remove it"];
    subnets_of_strings: network("subnets = [\"10.2.0.0/24\"]") => ["network \"b\", subnets[0]: a value of type string", "write a table"];
    subnet_missing: network("subnets = [{ vni = 5000 }]") => ["network \"b\", subnets[0]: subnet is missing"];
    subnets_unknown_key: network("subnets = [{ subnet = \"10.2.0.0/24\", gatway = \"10.2.0.1\" }]")
        => ["network \"b\", subnets[0].gatway: unknown key", "did you mean \"gateway\"?"];
    subnets_malformed: network("subnets = [{ subnet = \"10.2.0.0/24\" }, { subnet = \"10.3.0.1/24\" }]")
        => ["network \"b\", subnets[1].subnet: 10.3.0.1/24 has bits set", "write 10.3.0.0/24"];
    subnets_of_one_network_overlap: network("subnets = [{ subnet = \"10.2.0.0/24\" }, { subnet = \"10.2.0.0/16\" }]")
        => ["network \"b\", subnets[1].subnet: 10.2.0.0/16 overlaps 10.2.0.0/24 of network \"b\" (line 13)"];
    a_further_subnet_overlaps_another_network: network("subnets = [{ subnet = \"10.2.0.0/24\" }, { subnet = \"10.1.0.0/25\" }]")
        => ["subnets[1].subnet: 10.1.0.0/25 overlaps 10.1.0.0/24 of network \"net\" (line 10)"];
    a_node_in_a_further_subnet: network("subnets = [{ subnet = \"10.2.0.0/24\" }, { subnet = \"10.3.0.0/24\" }]").replace(" #!", "")
        + "[[node]]\nname = \"n3\"\naddress = \"10.3.0.9\" #!"
        => ["node \"n3\", address: 10.3.0.9 lies in subnet 10.3.0.0/24 of network \"b\" (line 13)"];
    one_vni_for_two_subnets: network("subnets = [{ subnet = \"10.2.0.0/24\", vni = 5000 }, { subnet = \"10.3.0.0/24\", vni = 5000 }]")
        => ["network \"b\", subnets[1].vni: its VNI is also that of network \"b\" (line 13)"];
    vni_of_the_mesh_in_subnets: network("subnets = [{ subnet = \"10.2.0.0/24\", vni = 4094 }]")
        => ["network \"b\", subnets[0].vni: VNI 4094 is the routing mesh's own"];
    gateway_of_a_further_subnet: network("subnets = [{ subnet = \"10.2.0.0/24\" }, { subnet = \"10.3.0.0/24\", gateway = \"10.2.0.1\" }]")
        => ["network \"b\", subnets[1].gateway: 10.2.0.1 lies outside 10.3.0.0/24"];
    vip_outside_all_subnets: two("vip = { b = \"10.4.0.1\" } #!") => ["10.4.0.1 lies outside the network's subnets 10.2.0.0/24, 10.3.0.0/24"];
    address_of_a_further_gateway: two(&task("web.1", "n1", "addresses = { b = \"10.3.0.9\" } #!"))
        => ["10.3.0.9 is the gateway's address in 10.3.0.0/24"];
    address_of_a_further_network: two(&task("web.1", "n1", "addresses = { b = \"10.3.0.0\" } #!"))
        => ["10.3.0.0 is the network address of 10.3.0.0/24"];
    address_of_a_further_broadcast: two(&task("web.1", "n1", "addresses = { b = \"10.3.0.255\" } #!"))
        => ["10.3.0.255 is the broadcast address of 10.3.0.0/24"];
    one_offset_in_two_subnets: two(&(task("web.1", "n1", "addresses = { b = \"10.2.0.5\" }")
        + "[[service.task]]\nname = \"web.2\" #!\nnode = \"n2\"\nnetns = \"b\"\naddresses = { b = \"10.3.0.5\" }\n"))
        => ["task \"web.2\", name: its backend number 5 is also that of service \"web\", task \"web.1\"", "number = N"];

    range_malformed: "range = \"10.1.0.128\" #!" => ["network \"net\", range: \"10.1.0.128\" is no IPv4 subnet"];
    range_outside: "range = \"10.2.0.0/25\" #!" => ["10.2.0.0/25 lies outside 10.1.0.0/24", "a part of the network's subnet"];
    range_larger_than_the_subnet: "range = \"10.1.0.0/23\" #!" => ["10.1.0.0/23 lies outside 10.1.0.0/24"];
    range_without_addresses: "range = \"10.1.0.0/31\" #!" => ["10.1.0.0/31 has no address for a task", "shorter prefix"];

    mtu_too_small: "mtu = 575 #!" => ["network \"net\", mtu: 575 is out of range", "from 576 to 65485"];
    mtu_too_large: "mtu = 65486 #!" => ["65486 is out of range"];

    mac_malformed: tasks("macs = { net = \"02:00:00:00:00\" } #!", "")
        => ["task \"web.1\", macs.net: \"02:00:00:00:00\" is no Ethernet address", "six octets"];
    mac_of_a_group: tasks("macs = { net = \"03:00:00:00:00:01\" } #!", "") => ["is no address of one interface", "even"];
    mac_of_zeros: tasks("macs = { net = \"00:00:00:00:00:00\" } #!", "") => ["is no address of one interface"];
    mac_with_a_sign: tasks("macs = { net = \"02:00:00:00:00:+1\" } #!", "") => ["is no Ethernet address"];
    macs_of_a_string: tasks("macs = \"02:00:00:00:00:01\" #!", "") => ["macs", "table of Ethernet addresses by network"];
    mac_in_a_foreign_network: tasks("macs = { nett = \"02:00:00:00:00:01\" } #!", "")
        => ["macs.nett: \"nett\" is not a network of the service", "did you mean \"net\"?"];
    mac_twice: tasks("macs = { net = \"02:00:00:00:00:01\" }", "macs = { net = \"02:00:00:00:00:01\" } #!")
        => ["task \"web.2\", macs.net: its Ethernet address 02:00:00:00:00:01 in network \"net\" is also that of service \"web\", task \"web.1\" (line 19)"];
    mac_that_follows_from_anothers_address: tasks("addresses = { net = \"10.1.0.5\" }", "macs = { net = \"02:42:0a:01:00:05\" } #!")
        => ["its Ethernet address 02:42:0a:01:00:05 in network \"net\" is also that of service \"web\", task \"web.1\""];
    mac_of_the_gateway: tasks("macs = { net = \"02:42:0A:01:00:01\" } #!", "") => ["is also that of the gateway of network \"net\" (line 10)"];
}
