//! Networks with several subnets, gateways, ranges and Ethernet addresses: what arrives in the state.

use std::{net::Ipv4Addr, path::Path};

use super::{super::parse_with, parsed_with_base, service, task};
use crate::source::derive;

#[test]
fn several_subnets() {
    let text = "[[network]]\nname = \"b\"\nmtu = 1400\nsubnets = [\n\
                { subnet = \"10.2.0.0/24\" },\n\
                { subnet = \"10.3.0.0/24\", gateway = \"10.3.0.254\" },\n\
                { subnet = \"10.4.0.0/24\", vni = 5000 },\n]\n";
    let state = parsed_with_base(text).unwrap();
    let network = &state.networks[1];
    let parts: Vec<_> =
        network.subnets().map(|part| (part.subnet.to_string(), part.vni, part.gateway)).collect();
    let expected = [
        ("10.2.0.0/24".to_owned(), derive::vni("b", 0), Ipv4Addr::new(10, 2, 0, 1)),
        ("10.3.0.0/24".to_owned(), derive::vni("b", 1), Ipv4Addr::new(10, 3, 0, 254)),
        ("10.4.0.0/24".to_owned(), 5000, Ipv4Addr::new(10, 4, 0, 1)),
    ];
    assert_eq!(parts, expected);
    assert_eq!((network.mtu, state.networks[0].mtu), (Some(1400), None));
}

#[test]
fn vips_and_addresses_may_lie_in_any_subnet() {
    let text = "[[network]]\nname = \"b\"\n\
                subnets = [{ subnet = \"10.2.0.0/24\" }, { subnet = \"10.3.0.0/24\" }]\n"
        .to_owned()
        + &service("web", "networks = [\"b\"]\nvip = { b = \"10.3.0.7\" }")
        + &task("web.1", "n1", "addresses = { b = \"10.3.0.8\" }");
    let web = &parsed_with_base(&text).unwrap().services[0];
    assert_eq!(web.vips["b"], Ipv4Addr::new(10, 3, 0, 7));
    assert_eq!((web.tasks[0].addresses["b"], web.tasks[0].number), (Ipv4Addr::new(10, 3, 0, 8), 8));
}

#[test]
fn addresses_that_are_left_out_lie_in_the_range() {
    let text = "range = \"10.1.0.128/25\"\n".to_owned()
        + &service("web", "networks = [\"net\"]")
        + &task("web.1", "n1", "")
        + &task("web.2", "n2", "");
    let web = &parsed_with_base(&text).unwrap().services[0];
    let addresses = || web.tasks.iter().map(|task| task.addresses["net"]).chain([web.vips["net"]]);
    assert!(
        addresses().all(|addr| addr.octets()[3] >= 128),
        "{:?}",
        addresses().collect::<Vec<_>>()
    );
}

#[test]
fn a_range_may_lie_in_a_further_subnet() {
    let text = "[[network]]\nname = \"b\"\nrange = \"10.3.0.16/28\"\n\
                subnets = [{ subnet = \"10.2.0.0/24\" }, { subnet = \"10.3.0.0/24\" }]\n"
        .to_owned()
        + &service("web", "networks = [\"b\"]");
    let vip = parsed_with_base(&text).unwrap().services[0].vips["b"];
    assert!((16..32).contains(&vip.octets()[3]) && vip.octets()[1] == 3, "{vip}");
}

#[test]
fn ethernet_addresses_are_derived_unless_given() {
    let text = service("web", "networks = [\"net\"]")
        + &task("web.1", "n1", "addresses = { net = \"10.1.0.5\" }")
        + &task(
            "web.2",
            "n2",
            "addresses = { net = \"10.1.0.6\" }\nmacs = { net = \"0a:0B:0c:0d:0e:0f\" }",
        );
    let web = &parsed_with_base(&text).unwrap().services[0];
    assert_eq!(web.tasks[0].mac("net"), Some([0x02, 0x42, 10, 1, 0, 5]));
    assert_eq!(web.tasks[1].mac("net"), Some([10, 11, 12, 13, 14, 15]));
    assert!(web.tasks[0].macs.is_empty());
}

#[test]
fn an_mtu_that_ethernet_does_not_carry_is_a_warning() {
    let warnings = |mtu: u16| {
        let text = format!("{}mtu = {mtu}\n[cluster]\nseed = \"x\"\n", super::BASE);
        let (_, warnings) = parse_with(Path::new("c"), &text, &|_| unreachable!()).unwrap();
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(warnings(1450).is_empty());
    let [warning] = &warnings(8950)[..] else { panic!("one warning expected") };
    assert!(warning.contains("network \"net\": mtu = 8950 needs an MTU of 9000"), "{warning}");
}

#[test]
fn names_may_have_dots_and_hyphens_and_underscores() {
    let text = service("my-web_1.prod", "") + &task("my-web_1.prod.1", "n1", "");
    assert!(parsed_with_base(&text).is_ok());
}
