//! What is pinned already: another layout, a map that is not ours, another agent. Each is refused
//! with what to do about it, before anything is touched.

use std::{fs, process::Command};

use super::stage::{SIX, Stage};

/// Runs n1's agent to its end, which must be a failure, and returns its words.
fn refusal(stage: &Stage, command: Command) -> String {
    let output = stage.cluster.run_in(&stage.cluster.node("n1").ns, command).expect("an end");
    assert!(!output.status.success(), "the agent started");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn agent(stage: &Stage) -> Command {
    stage.cluster.agent_command("n1").expect("a command")
}

/// Does what a refusal proposes, and insists that the agent then starts.
fn detach_and_start(stage: &Stage) {
    let root = stage.cluster.pin_root("n1");
    let line = format!("{} detach --pin-root {}", env!("CARGO_BIN_EXE_swarmlb"), root.display());
    stage.cluster.sh_in(&stage.cluster.node("n1").ns, &line).expect("detach");
    stage.cluster.start_agent("n1").expect("the agent starts after the fix");
}

fn without_tasks() -> Stage {
    let stage = Stage::bare();
    stage.cluster.write_config(&stage.cluster.node_tables()).expect("a cluster file");
    stage
}

#[test]
fn pins_of_another_layout_are_refused_with_the_fix() {
    let stage = without_tasks();
    let root = stage.cluster.pin_root("n1");
    fs::create_dir_all(root.join("v999/maps")).expect("another layout");
    let words = refusal(&stage, agent(&stage));
    let fix = format!("swarmlb detach --pin-root {}", root.display());
    assert!(words.contains("another layout") && words.contains(&fix), "{words}");
    assert!(!root.join("v1").exists(), "something was pinned");
    detach_and_start(&stage);
}

#[test]
fn a_pin_of_another_size_is_refused_with_the_fix() {
    let stage = without_tasks();
    let root = stage.cluster.pin_root("n1");
    fs::create_dir_all(root.join("v1/maps")).expect("directories");
    let pin = root.join("v1/maps/OWN_ADDRS");
    let line = format!(
        "bpftool map create {} type hash key 4 value 4 entries 8 name OWN_ADDRS",
        pin.display()
    );
    stage.cluster.sh_in(&stage.cluster.node("n1").ns, &line).expect("a map");
    let words = refusal(&stage, agent(&stage));
    assert!(words.contains("OWN_ADDRS") && words.contains("swarmlb detach"), "{words}");
    detach_and_start(&stage);
}

#[test]
fn a_second_agent_on_one_pin_root_is_refused() {
    let stage = Stage::with(&SIX[..1]);
    let words = refusal(&stage, agent(&stage));
    assert!(words.contains("another agent"), "{words}");
    let mut elsewhere = stage.cluster.swarmlb_command().expect("a command");
    elsewhere.args(["agent", "--node", "n1", "--config"]).arg(stage.cluster.config_path());
    elsewhere.arg("--pin-root").arg(stage.cluster.pin_root("n1"));
    elsewhere.arg("--state-dir").arg(stage.cluster.dir().join("state-second"));
    let words = refusal(&stage, elsewhere);
    assert!(words.contains("another swarmlb process"), "{words}");
    stage.cluster.reload("n1").expect("the first one goes on");
}
