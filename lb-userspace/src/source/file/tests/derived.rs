//! Derived values depend on their own names only.

use proptest::{collection::btree_set, prelude::*};

use super::{parsed, service, task};
use crate::model::DesiredState;

const NODE: &str = "[[node]]\nname = \"n1\"\naddress = \"198.18.0.1\"\n";

/// A file with these networks, and these services of two tasks each in all of them.
fn file(networks: &[&String], services: &[&String]) -> String {
    let networks_of = format!("networks = {networks:?}");
    let mut text = NODE.to_owned();
    text.extend(networks.iter().map(|name| format!("[[network]]\nname = {name:?}\n")));
    for name in services {
        text += &service(name, &networks_of);
        text += &task(&format!("{name}.1"), "n1", "");
        text += &task(&format!("{name}.2"), "n1", "");
    }
    text
}

/// Whether everything that `small` has is the same in `large`.
fn unmoved(small: &DesiredState, large: &DesiredState) -> bool {
    let same_networks = small.networks.iter().all(|network| large.networks.contains(network));
    let same_services = small.services.iter().all(|service| {
        let other = large.services.iter().find(|other| other.name == service.name);
        other.is_some_and(|other| {
            service.vips.iter().all(|(network, vip)| other.vips.get(network) == Some(vip))
                && service.tasks.iter().all(|task| {
                    let other = other.tasks.iter().find(|other| other.name == task.name);
                    other.is_some_and(|other| {
                        let mut same = task.addresses.iter();
                        other.number == task.number
                            && same.all(|(net, addr)| other.addresses.get(net) == Some(addr))
                    })
                })
        })
    });
    same_networks && same_services
}

proptest! {
    /// Adding networks behind and services anywhere moves nothing, or is refused for a clash.
    #[test]
    fn other_entries_move_nothing(
        networks in btree_set("[a-z]{1,8}", 1..5),
        services in btree_set("[a-z]{1,8}", 1..6),
        kept in 1usize..5,
    ) {
        let networks: Vec<_> = networks.iter().collect();
        let services: Vec<_> = services.iter().collect();
        let few_networks = &networks[..kept.min(networks.len())];
        let few_services = &services[services.len().saturating_sub(kept)..];
        if let Ok(large) = parsed(&file(&networks, &services)) {
            let small = parsed(&file(few_networks, few_services)).unwrap();
            prop_assert!(unmoved(&small, &large));
        }
    }
}
