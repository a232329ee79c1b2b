//! The handling of agents, proven with a stand-in that speaks as an agent does: `ready
//! generation=G` or `refused REASON` at its start and at each SIGHUP.

use anyhow::Result;
use lb_testbed::{Cluster, Outcome};

const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-in.sh");

fn cluster() -> Result<Cluster> {
    Cluster::builder().nodes(2).clients(0).swarmlb(STAND_IN).build()
}

#[test]
fn files_are_applied_or_refused_by_each_agent() {
    let cluster = cluster().unwrap();
    cluster.write_config(&cluster.node_tables()).unwrap();
    cluster.start_agents().unwrap();
    cluster.apply_config("good").unwrap();
    let said = cluster.offer_config("bad").unwrap();
    let refused = Outcome::Refused("line 1: bad".into());
    assert_eq!(said, [("n1".into(), refused.clone()), ("n2".into(), refused)].into());
    assert!(cluster.apply_config("bad").unwrap_err().to_string().contains("n1"));
    cluster.write_config("good again").unwrap();
    assert_eq!(cluster.reload("n2").unwrap(), Outcome::Ready(3));
}

#[test]
fn agents_are_killed_and_come_back() {
    let cluster = cluster().unwrap();
    cluster.write_config("good").unwrap();
    let first = cluster.start_agent("n1").unwrap();
    let second = cluster.restart_agent("n1").unwrap();
    assert!(!first.is_running() && second.is_running());
    cluster.kill_agent("n1").unwrap();
    assert!(cluster.reload("n1").unwrap_err().to_string().contains("was not started"));
}

#[test]
fn an_agent_that_dies_is_reported_with_its_last_words() {
    let cluster = cluster().unwrap();
    cluster.write_config("deadly").unwrap();
    let error = format!("{:#}", cluster.start_agent("n1").unwrap_err());
    assert!(error.contains("ended early") && error.contains("cannot load"), "{error}");
}
