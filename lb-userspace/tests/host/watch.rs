//! Changes of the network told, and told only when something changed.

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use lb_userspace::host::{
    Netlink,
    legs::Legs,
    watch::{HostEvent, watch},
};
use tokio::time::timeout;

use crate::{
    legs::spec,
    network::two_nodes,
    world::{TestNs, is_root},
};

const NEVER: Duration = Duration::from_secs(3600);
const QUIET: Duration = Duration::from_millis(400);

/// Gathers events until `enough`, or fails.
async fn until(
    events: &mut (impl Stream<Item = HostEvent> + Unpin),
    enough: impl Fn(HostEvent) -> bool,
) {
    let seen = async { while !enough(events.next().await.unwrap()) {} };
    timeout(Duration::from_secs(5), seen).await.expect("the change is never told");
}

#[test]
fn each_sort_of_change_is_told() {
    if !is_root() {
        return;
    }
    let (node, _peer) = two_nodes();
    node.block_on(async || {
        let mut events = watch(NEVER).unwrap();
        node.sh("ip link add br0 type bridge");
        until(&mut events, |event| event.links).await;
        node.sh("ip addr add 198.18.1.1/24 dev br0");
        until(&mut events, |event| event.addresses).await;
        node.sh("ip route add 198.18.9.0/24 via 198.18.0.2");
        until(&mut events, |event| event.routes).await;
        node.sh("ping -c1 -W2 198.18.0.2");
        until(&mut events, |event| event.neighbours).await;
    });
}

#[test]
fn a_namespace_that_appears_is_told() {
    if !is_root() {
        return;
    }
    TestNs::new("node").block_on(async || {
        let mut events = watch(NEVER).unwrap();
        let told = until(&mut events, |event| event.namespaces);
        let make = async {
            loop {
                drop(TestNs::new("later"));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! { () = told => {}, () = make => {} }
    });
}

#[test]
fn many_changes_make_few_events() {
    if !is_root() {
        return;
    }
    let node = TestNs::new("node");
    node.block_on(async || {
        let mut events = watch(NEVER).unwrap();
        let lines: String = (0..100).map(|i| format!("addr add 10.9.{i}.1/32 dev lo\\n")).collect();
        node.sh(&format!("sh -c \"printf '{lines}' | ip -batch -\""));
        let mut count = 0;
        while timeout(QUIET, events.next()).await.is_ok() {
            count += 1;
        }
        assert!((1..=10).contains(&count), "{count} events");
    });
}

#[test]
fn rechecks_come_without_any_change() {
    if !is_root() {
        return;
    }
    TestNs::new("node").block_on(async || {
        let mut events = watch(Duration::from_millis(20)).unwrap();
        for _ in 0..3 {
            assert_eq!(events.next().await, Some(HostEvent::ALL));
        }
    });
}

#[test]
fn ensuring_a_leg_that_stands_changes_nothing() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    node.block_on(async || {
        let (legs, spec) = (Legs::new(Netlink::here().unwrap()), spec("web.1", &task));
        let mut events = watch(NEVER).unwrap();
        legs.ensure(&spec).await.unwrap();
        while timeout(QUIET, events.next()).await.is_ok() {}
        legs.ensure(&spec).await.unwrap();
        let event = timeout(QUIET, events.next()).await;
        assert!(event.is_err(), "an agent that repairs on events would never rest: {event:?}");
    });
}
