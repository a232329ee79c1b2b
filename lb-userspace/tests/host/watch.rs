//! Changes of the network told, and told only when something changed.

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use lb_userspace::host::{
    Netlink,
    legs::Legs,
    netns::Namespace,
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
    timeout(Duration::from_secs(60), seen).await.expect("the change is told");
}

/// Awaits a change of this namespace's own: names of namespaces come and go with other tests.
async fn network_change(events: &mut (impl Stream<Item = HostEvent> + Unpin)) -> HostEvent {
    let only_names = HostEvent { namespaces: true, ..HostEvent::default() };
    loop {
        let event = events.next().await.unwrap();
        if event != only_names {
            return event;
        }
    }
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
        // The watch starts when the stream is first asked.
        let watching = timeout(QUIET, network_change(&mut events)).await;
        assert!(watching.is_err(), "{watching:?}");
        let later = TestNs::new("later");
        until(&mut events, |event| event.namespaces).await;
        assert!(Namespace::open(&later.netns()).is_ok(), "told before it can be opened");
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
        while timeout(QUIET, network_change(&mut events)).await.is_ok() {
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
            // Others make and remove namespaces all the time; a recheck is what tells of everything.
            while events.next().await.expect("an event") != HostEvent::ALL {}
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
        while timeout(QUIET, network_change(&mut events)).await.is_ok() {}
        legs.ensure(&spec).await.unwrap();
        let event = timeout(QUIET, network_change(&mut events)).await;
        assert!(event.is_err(), "an agent that repairs on events would never rest: {event:?}");
    });
}
