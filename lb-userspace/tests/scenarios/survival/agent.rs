//! Forwarding outlives the agent: killed, restarted, upgraded, while a long transfer and many short
//! connections run.

use std::fs;

use lb_testbed::{Bulk, Direction, Load, RunningLoad, eventually};

use super::{
    load::load,
    stage::{AMPLE, SIX, Stage},
};
use crate::common::expect_new_programs;

/// Speed of the long transfer until all is done, so that it outlasts any restart.
const RATE: &str = "40mbit";
/// Its length: what it moves meanwhile is a fraction.
const LEN_BYTES: u64 = 400 << 20;
/// Answers to wait for while something is as it is.
const MEANWHILE: u64 = 300;
/// Requests on connections that are kept; with the 300 short ones a thousand a second.
const KEPT_PER_S: f64 = 700.0;

const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// A long transfer, many short connections, and requests on connections that are kept.
struct Traffic<'a> {
    stage: &'a Stage,
    bulk: Bulk,
    load: RunningLoad,
    kept: RunningLoad,
}

impl<'a> Traffic<'a> {
    fn start(stage: &'a Stage) -> Self {
        let client = &stage.cluster.clients()[1].ns;
        let line = format!("tc qdisc add dev eth0 root tbf rate {RATE} burst 128kb latency 100ms");
        stage.cluster.sh_in(client, &line).expect("a slow link");
        let bulk = Bulk::start(client, stage.at("n1", 80), Direction::Upload, LEN_BYTES);
        let kept = Load::new(stage.client(), stage.everywhere()).keep_alive();
        let kept = kept.per_second(KEPT_PER_S).concurrency(8).start().expect("kept connections");
        Self { stage, bulk: bulk.expect("a transfer"), load: load(stage), kept }
    }

    /// Waits for traffic in the present state, with the transfer under way.
    fn go_on(&self) {
        self.load.wait_more_ok(MEANWHILE, AMPLE).expect("answers");
        let moved = self.bulk.moved_bytes();
        eventually(AMPLE, "more of the transfer", || self.bulk.moved_bytes() > moved)
            .expect("progress");
        assert!(self.bulk.is_running(), "the transfer ended early");
    }

    fn expect_clean(self) {
        self.load.stop().expect("a report").expect_clean().expect("no failure");
        self.kept.stop().expect("a report").expect_clean().expect("no reset");
        let client = &self.stage.cluster.clients()[1].ns;
        self.stage.cluster.sh_in(client, "tc qdisc del dev eth0 root").expect("a fast link");
        self.bulk.finish().expect("the transfer");
    }
}

#[test]
fn killing_and_restarting_agents_disturbs_no_traffic() {
    let mut stage = Stage::with(&SIX[..3]);
    // A hold that outlasts three agents starting at once: other nodes wait that long for t4's leg.
    let config = stage.prepare(&SIX[..4]).replace("[cluster]", "[cluster]\nhold_ms = 5000");
    let links = NODES.map(|node| stage.links(node));
    let traffic = Traffic::start(&stage);
    for node in NODES {
        stage.cluster.kill_agent(node).expect("a kill");
    }
    traffic.go_on();
    // While nobody watches, a map is tampered with and the cluster file changes.
    let stray = "203.0.113.9";
    own_addresses(&stage, "update", stray);
    stage.cluster.write_config(&config).expect("a cluster file");
    stage.cluster.start_agents().expect("agents");
    traffic.go_on();
    traffic.expect_clean();
    assert!(!own_addresses(&stage, "dump", "").contains("203"), "the stray address stayed");
    for (node, links) in NODES.iter().zip(links) {
        expect_new_programs(&links, &stage.links(node));
    }
    let tasks = stage.json("n2", "service ps web");
    assert!(tasks.to_string().contains("t4"), "the new file is not in force: {tasks}");
}

#[test]
fn an_upgrade_to_another_object_disturbs_no_traffic() {
    let stage = Stage::with(&SIX[..3]);
    let object = stage.cluster.dir().join("another-object");
    fs::copy(env!("SWARMLB_BPF_OBJECT"), &object).expect("a copy of the object");
    let links = NODES.map(|node| stage.links(node));
    let traffic = Traffic::start(&stage);
    for node in NODES {
        stage.cluster.stop_agent(node).expect("the end of the old agent");
        let mut command = stage.cluster.agent_command(node).expect("a command");
        command.arg("--object").arg(&object);
        let agent =
            stage.cluster.spawn_in(&stage.cluster.node(node).ns, command).expect("an agent");
        let ready = |line: &str| line.starts_with("ready").then_some(());
        agent.wait_line(0, AMPLE, ready).expect("the new agent");
        traffic.go_on();
    }
    traffic.expect_clean();
    for (node, links) in NODES.iter().zip(links) {
        expect_new_programs(&links, &stage.links(node));
    }
}

/// Changes or prints `OWN_ADDRS` of n1 behind the agent's back.
fn own_addresses(stage: &Stage, verb: &str, address: &str) -> String {
    let pin = stage.cluster.pin_root("n1").join("v1/maps/OWN_ADDRS");
    let key = address.replace('.', " ");
    let arguments = if key.is_empty() { String::new() } else { format!("key {key} value 1 0 0 0") };
    let line = format!("bpftool map {verb} pinned {} {arguments}", pin.display());
    stage.cluster.sh_in(&stage.cluster.node("n1").ns, &line).expect("bpftool")
}
