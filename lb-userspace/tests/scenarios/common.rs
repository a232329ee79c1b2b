//! What scenarios share: a cluster with the agent under test, and what `swarmlb` says and does there.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context as _, Result};
use lb_testbed::Cluster;
use serde_json::Value;

/// Pinned links by name: the link's own id, which it keeps for life, and its program's.
pub(crate) type Links = BTreeMap<String, (u64, u64)>;

/// A cluster of three nodes and two clients, without agents yet.
pub(crate) fn cluster() -> Cluster {
    let cluster = Cluster::builder().nodes(3).clients(2).swarmlb(env!("CARGO_BIN_EXE_swarmlb"));
    cluster.build().expect("a cluster")
}

/// What `swarmlb` prints for a node, as JSON.
pub(crate) fn json(cluster: &Cluster, node: &str, view: &str) -> Result<Value> {
    let text = swarmlb(cluster, node, &format!("{view} --output json"))?;
    serde_json::from_str(&text).with_context(|| format!("{view} is no JSON"))
}

/// Removes everything that the agent of a node, which has ended, left in force.
pub(crate) fn detach(cluster: &Cluster, node: &str) -> Result<()> {
    swarmlb(cluster, node, "detach").map(drop)
}

/// The directory of a node's agent.
pub(crate) fn state_dir(cluster: &Cluster, node: &str) -> PathBuf {
    cluster.dir().join(format!("state-{node}"))
}

/// A node's pinned links.
pub(crate) fn links(cluster: &Cluster, node: &str) -> Result<Links> {
    let status = json(cluster, node, "status")?;
    let link = |link: &Value| {
        Some((link["name"].as_str()?.into(), (link["id"].as_u64()?, link["program"].as_u64()?)))
    };
    let links = status["links"].as_array().context("no links")?;
    links.iter().map(link).collect::<Option<_>>().context("a link without id")
}

/// Insists that every link has a new program, and that those on interfaces are the same links: their
/// programs were replaced in place. (The cgroup's are replaced by new links before the old ones go.)
pub(crate) fn expect_new_programs(before: &Links, after: &Links) {
    for (name, (link, program)) in before {
        let (link_now, program_now) = after.get(name).expect(name);
        assert_ne!(program, program_now, "{name} runs the old program");
        assert!(link == link_now || name.starts_with("cgroup-"), "{name} is another link");
    }
}

fn swarmlb(cluster: &Cluster, node: &str, command: &str) -> Result<String> {
    let binary = env!("CARGO_BIN_EXE_swarmlb");
    let (pins, state) = (cluster.pin_root(node), state_dir(cluster, node));
    let (pins, state) = (pins.display(), state.display());
    let line = format!("{binary} {command} --pin-root {pins} --state-dir {state}");
    cluster.sh_in(&cluster.node(node).ns, &line)
}
