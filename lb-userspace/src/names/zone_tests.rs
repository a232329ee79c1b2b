//! What each row about names in the list of what Swarm does asks for, and what no answer may ever do.
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    path::Path,
};

use proptest::prelude::*;

use super::zone::{Answer, Question, Zone};
use crate::{model::DesiredState, source::file};

/// `front` and `back` share `both`; `rr` has no virtual IP; `away` is in a network of its own.
const FILE: &str = r#"
[[node]]
name = "n1"
address = "198.18.0.1"
[[network]]
name = "front"
subnet = "10.1.0.0/24"
[[network]]
name = "back.end"
subnet = "10.2.0.0/24"
internal = true
[[network]]
name = "other"
subnet = "10.3.0.0/24"

[[service]]
name = "both"
networks = ["front", "back.end"]
vip = { front = "10.1.0.10", "back.end" = "10.2.0.10" }
[[service.task]]
name = "both.1"
node = "n1"
netns = "both-1"
addresses = { front = "10.1.0.11", "back.end" = "10.2.0.11" }

[[service]]
name = "turned"
networks = ["back.end", "front"]
[[service.task]]
name = "turned.1"
node = "n1"
netns = "turned-1"

[[service]]
name = "RR"
networks = ["back.end"]
mode = "dnsrr"
aliases = ["pool"]
[[service.task]]
name = "rr.1"
node = "n1"
netns = "rr-1"
addresses = { "back.end" = "10.2.0.21" }
[[service.task]]
name = "rr.2"
node = "n1"
netns = "rr-2"
addresses = { "back.end" = "10.2.0.22" }

[[service]]
name = "more"
networks = ["back.end"]
mode = "dnsrr"
aliases = ["Pool"]
[[service.task]]
name = "more.1"
node = "n1"
netns = "more-1"
addresses = { "back.end" = "10.2.0.31" }

[[service]]
name = "away"
networks = ["other"]
[[service.task]]
name = "away.1"
node = "n1"
netns = "away-1"

[[service]]
name = "plain"
[[service.task]]
name = "plain.1"
node = "n1"
netns = "plain-1"
"#;

fn state() -> DesiredState {
    file::parse(Path::new("cluster.toml"), FILE).unwrap().0
}

fn zone() -> Zone {
    Zone::new(&state(), &BTreeSet::new())
}

fn address(last: [u8; 2]) -> Ipv4Addr {
    Ipv4Addr::new(10, last[0], 0, last[1])
}

/// The addresses of a name as the task knows it, sorted.
fn look_up(zone: &Zone, asker: &str, name: &str) -> Vec<Ipv4Addr> {
    match zone.answer(asker, Question::Addresses(name)) {
        Answer::Addresses(mut addresses) => {
            addresses.sort();
            addresses
        }
        answer => panic!("{asker} asks for {name}: {answer:?}"),
    }
}

#[test]
fn f51_services_tasks_and_aliases_have_names_in_any_case() {
    let zone = zone();
    assert_eq!(look_up(&zone, "both.1", "both"), [address([1, 10])]);
    assert_eq!(look_up(&zone, "both.1", "BOTH"), [address([1, 10])]);
    assert_eq!(look_up(&zone, "both.1", "tasks.Both"), [address([1, 11])]);
    assert_eq!(look_up(&zone, "both.1", "both.1"), [address([1, 11])]);
    assert_eq!(look_up(&zone, "both.1", "rr"), [address([2, 21]), address([2, 22])]);
    assert_eq!(look_up(&zone, "both.1", "tasks.rr"), [address([2, 21]), address([2, 22])]);
}

#[test]
fn f51_an_alias_that_services_share_stands_for_all_of_them() {
    let all = [address([2, 21]), address([2, 22]), address([2, 31])];
    assert_eq!(look_up(&zone(), "rr.1", "pool"), all);
}

#[test]
fn f52_dotted_names_are_split_from_the_right() {
    let zone = zone();
    assert_eq!(look_up(&zone, "both.1", "both.front"), [address([1, 10])]);
    assert_eq!(look_up(&zone, "both.1", "both.back.end"), [address([2, 10])]);
    assert_eq!(look_up(&zone, "both.1", "both.1.Back.End"), [address([2, 11])]);
    assert_eq!(look_up(&zone, "both.1", "tasks.both.back.end"), [address([2, 11])]);
    for unknown in ["both.end", "both.other", "both.", ".both", "front", "", "."] {
        assert_eq!(zone.answer("both.1", Question::Addresses(unknown)), Answer::Ask, "{unknown}");
    }
}

#[test]
fn f53_the_first_network_of_the_asker_wins() {
    let zone = zone();
    assert_eq!(look_up(&zone, "both.1", "both"), [address([1, 10])]);
    assert_eq!(look_up(&zone, "turned.1", "both"), [address([2, 10])]);
    assert_eq!(look_up(&zone, "rr.1", "both"), [address([2, 10])]);
}

#[test]
fn f55_a_known_name_without_such_a_record_is_no_error() {
    let zone = zone();
    for name in ["both", "tasks.rr", "rr.1", "both.front"] {
        for question in [Question::Addresses6(name), Question::Other(name)] {
            assert_eq!(zone.answer("both.1", question), Answer::Nothing, "{question:?}");
        }
    }
    assert_eq!(zone.answer("both.1", Question::Addresses6("example.org")), Answer::Ask);
}

#[test]
fn f56_addresses_have_the_name_of_their_task_or_service() {
    let zone = zone();
    let named = |asker, last| zone.answer(asker, Question::Name(address(last)));
    assert_eq!(named("both.1", [1, 11]), Answer::Name("both.1.front".into()));
    assert_eq!(named("both.1", [2, 11]), Answer::Name("both.1.back.end".into()));
    assert_eq!(named("both.1", [1, 10]), Answer::Name("both.front".into()));
    assert_eq!(named("both.1", [1, 200]), Answer::NoSuchName, "nobody outside can know");
    assert_eq!(named("both.1", [9, 9]), Answer::Ask);
    assert_eq!(named("away.1", [1, 11]), Answer::Ask, "the asker is not in that network");
}

#[test]
fn f58_with_ndots_single_labels_stay() {
    let mut state = state();
    state.dns.ndots = 1;
    let zone = Zone::new(&state, &BTreeSet::new());
    assert_eq!(zone.answer("both.1", Question::Addresses("nobody")), Answer::Nothing);
    assert_eq!(zone.answer("both.1", Question::Addresses6("nobody")), Answer::Nothing);
    assert_eq!(zone.answer("both.1", Question::Other("nobody")), Answer::Ask);
    assert_eq!(zone.answer("both.1", Question::Addresses("nobody.example")), Answer::Ask);
    assert_eq!(
        super::zone_tests::zone().answer("both.1", Question::Addresses("nobody")),
        Answer::Ask
    );
}

#[test]
fn f59_tasks_of_internal_networks_only_ask_nobody_outside() {
    let zone = zone();
    for question in [
        Question::Addresses("example.org"),
        Question::Other("x"),
        Question::Name([1, 1, 1, 1].into()),
    ] {
        assert_eq!(zone.answer("rr.1", question), Answer::Secluded);
        assert_eq!(
            zone.answer("both.1", question),
            Answer::Ask,
            "one of its networks has a way out"
        );
        assert_eq!(zone.answer("plain.1", question), Answer::Ask, "it is in no network at all");
    }
}

#[test]
fn names_of_foreign_networks_are_unknown_and_so_are_foreign_askers() {
    let zone = zone();
    for name in ["both", "tasks.both", "both.1", "both.front"] {
        assert_eq!(zone.answer("away.1", Question::Addresses(name)), Answer::Ask);
        assert_eq!(zone.answer("plain.1", Question::Addresses(name)), Answer::Ask);
    }
    assert_eq!(zone.answer("nobody", Question::Addresses("both")), Answer::Stranger);
}

#[test]
fn draining_tasks_leave_at_once_and_come_back_if_nobody_else_is_there() {
    let mut state = state();
    let rr = state.services.iter().position(|service| service.name == "RR").unwrap();
    state.services[rr].tasks[0].weight = 0;
    let zone = Zone::new(&state, &BTreeSet::new());
    assert_eq!(look_up(&zone, "rr.1", "rr"), [address([2, 22])]);
    assert_eq!(look_up(&zone, "rr.1", "tasks.rr"), [address([2, 22])]);
    assert_eq!(look_up(&zone, "rr.1", "rr.1"), [address([2, 21])], "its own name stays");
    state.services[rr].tasks[1].weight = 0;
    let zone = Zone::new(&state, &BTreeSet::new());
    assert_eq!(look_up(&zone, "rr.1", "rr"), [address([2, 21]), address([2, 22])]);
    state.services[rr].tasks.clear();
    let zone = Zone::new(&state, &BTreeSet::new());
    assert_eq!(zone.answer("more.1", Question::Addresses("rr")), Answer::Nothing);
}

#[test]
fn a_virtual_ip_stays_whatever_its_tasks_do() {
    let mut state = state();
    state.services[0].tasks[0].weight = 0;
    assert_eq!(
        look_up(&Zone::new(&state, &BTreeSet::new()), "turned.1", "both"),
        [address([2, 10])]
    );
    state.services[0].tasks.clear();
    assert_eq!(
        look_up(&Zone::new(&state, &BTreeSet::new()), "turned.1", "both"),
        [address([2, 10])]
    );
}

#[test]
fn tasks_on_hold_are_left_out_unless_nobody_else_is_there() {
    let held = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let zone = Zone::new(&state(), &held(&["rr.2"]));
    assert_eq!(look_up(&zone, "rr.1", "rr"), [address([2, 21])]);
    let zone = Zone::new(&state(), &held(&["rr.1", "rr.2"]));
    assert_eq!(look_up(&zone, "rr.1", "rr").len(), 2);
}

#[test]
fn a_service_goes_before_a_task_of_its_name() {
    let mut state = state();
    state.services[0].tasks[0].name = "both".into();
    assert_eq!(look_up(&Zone::new(&state, &BTreeSet::new()), "rr.1", "both"), [address([2, 10])]);
}

#[test]
fn f29_a_service_that_turns_dnsrr_keeps_no_virtual_ip() {
    let mut state = state();
    state.services[0].mode = crate::model::EndpointMode::Dnsrr;
    state.services[0].vips = BTreeMap::new();
    let zone = Zone::new(&state, &BTreeSet::new());
    assert_eq!(look_up(&zone, "rr.1", "both"), [address([2, 11])]);
    assert_eq!(zone.answer("rr.1", Question::Name(address([2, 10]))), Answer::NoSuchName);
}

#[test]
fn a_zone_survives_being_written_down() {
    let text = serde_json::to_vec(&zone()).unwrap();
    assert_eq!(serde_json::from_slice::<Zone>(&text).unwrap(), zone());
}

proptest! {
    #[test]
    fn answers_have_addresses_of_the_askers_networks_only(
        asker in "(both|turned|rr|more|away|plain)\\.1",
        name in "(tasks\\.)?(both|turned|rr|more|away|plain|pool|x)(\\.1)?(\\.(front|back|end|back\\.end|other))?",
    ) {
        let state = state();
        let service = state.services.iter().find(|one| one.tasks.iter().any(|task| task.name == asker));
        let networks = &service.unwrap().networks;
        if let Answer::Addresses(addresses) = zone().answer(&asker, Question::Addresses(&name)) {
            prop_assert!(!addresses.is_empty());
            for address in addresses {
                let inside = |network: &&crate::model::Network| network.subnet_of(address).is_some();
                let home = state.networks.iter().find(inside).unwrap();
                prop_assert!(networks.contains(&home.name), "{address} is of {}", home.name);
            }
        }
    }
}
