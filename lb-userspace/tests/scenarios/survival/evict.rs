//! Flows without their entries: whatever a node remembers of a flow is a cache. There are no timers,
//! so hours of idleness can do no more to a flow than an eviction does.

use lb_testbed::{Session as _, Sessions, TcpSession};
use serde_json::Value;

use super::stage::{SIX, Stage, expect_none};
use crate::maps::{delete, elements, pin};

/// Maps of per-flow state.
const FLOW_MAPS: [&str; 8] =
    ["NAT", "EMBRYO", "FLOWS", "VIPFLOWS", "SNAT_OUT", "SNAT_IN", "FRAGS", "SOCKETS"];

#[test]
fn flows_survive_the_eviction_of_all_their_entries() {
    let stage = Stage::with(&SIX[..3]);
    let mut sessions: Sessions<TcpSession> =
        Sessions::open(stage.client(), &stage.everywhere(), 30).expect("sessions");
    let evicted: usize = ["n1", "n2", "n3"].map(|node| evict(&stage, node)).iter().sum();
    assert!(evicted >= 30, "only {evicted} entries");
    expect_none(&sessions.ping_all());
    assert_eq!(stage.count("rebuilt"), 30);
}

#[test]
fn flows_survive_eviction_after_their_rows_moved() {
    let mut stage = Stage::with(&SIX[..2]);
    let mut sessions: Sessions<TcpSession> =
        Sessions::open(stage.client(), &stage.everywhere(), 30).expect("sessions");
    stage.change(&SIX);
    for node in ["n1", "n2", "n3"] {
        evict(&stage, node);
    }
    expect_none(&sessions.ping_all());
}

#[test]
fn no_entry_of_a_flow_carries_a_time() {
    let stage = Stage::with(&SIX[..1]);
    let _open = TcpSession::open(stage.client(), stage.at("n2", 80), 0).expect("a session");
    let nat = elements(&stage.cluster, "n1", "NAT").expect("entries");
    assert!(!nat.is_empty());
    for map in FLOW_MAPS {
        let names = field_names(&stage, "n1", map);
        assert!(!names.is_empty(), "{map} has no types");
        let timed = |name: &&String| {
            ["time", "expire", "seen", "_ns", "_ms", "_secs", "age"]
                .iter()
                .any(|word| name.contains(word))
        };
        assert_eq!(names.iter().find(timed), None, "{map} has {names:?}");
    }
}

/// Deletes every entry of a node's home flows and returns how many there were.
fn evict(stage: &Stage, node: &str) -> usize {
    let evict = |map| {
        let entries = elements(&stage.cluster, node, map).expect("entries");
        delete(&stage.cluster, node, map, &entries).expect("evictions");
        entries.len()
    };
    ["NAT", "EMBRYO"].map(evict).iter().sum()
}

/// Names of the fields of a map's keys and values.
fn field_names(stage: &Stage, node: &str, map: &str) -> Vec<String> {
    let line = format!("bpftool -j btf dump map pinned {} kv", pin(&stage.cluster, node, map));
    let text = stage.cluster.sh_in(&stage.cluster.node(node).ns, &line).expect("a dump of types");
    let types: Value = serde_json::from_str(&text).expect("JSON");
    let types = types["types"].as_array().expect("types").iter();
    let fields = types.filter_map(|of| of["members"].as_array()).flatten();
    fields.filter_map(|field| field["name"].as_str()).map(str::to_owned).collect()
}
