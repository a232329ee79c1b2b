//! Forwarding outlives the agents: killed, restarted, upgraded.

use std::fs;

use anyhow::{Result, ensure};
use lb_testbed::eventually;

use super::{
    super::bed::{Bed, PATIENCE, VNI},
    NODES,
    traffic::{SERVICES, Traffic},
};
use crate::{
    common::{expect_new_programs, links},
    maps::{Element, elements, put},
};

#[test]
fn killing_and_restarting_agents_disturbs_no_flow_to_a_virtual_ip() -> Result<()> {
    let mut bed = Bed::new(&SERVICES)?;
    let traffic = Traffic::start(&bed)?;
    NODES.iter().try_for_each(|node| bed.cluster.kill_agent(node))?;
    traffic.go_on()?;
    // While nobody watches, a map is tampered with and the cluster file changes.
    let stray = stray();
    put(&bed.cluster, "n1", "ENDPOINTS", std::slice::from_ref(&stray))?;
    bed.add_task("web", "n3")?;
    bed.cluster.write_config(&bed.file.to_string())?;
    // The new task's home first: on a busy machine the others' hold might not outlast its start.
    for node in ["n3", "n1", "n2"] {
        bed.cluster.start_agent(node)?;
    }
    eventually(PATIENCE, "a connection to the new task", || {
        bed.server("web.4").seen().is_ok_and(|seen| !seen.is_empty())
    })?;
    traffic.go_on()?;
    traffic.expect_clean(&bed)?;
    let endpoints = elements(&bed.cluster, "n1", "ENDPOINTS")?;
    ensure!(endpoints.iter().all(|one| one.key != stray.key), "the stray endpoint stayed");
    Ok(())
}

#[test]
fn an_upgrade_to_another_object_disturbs_no_flow_to_a_virtual_ip() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    let object = bed.cluster.dir().join("another-object");
    fs::copy(env!("SWARMLB_BPF_OBJECT"), &object)?;
    let traffic = Traffic::start(&bed)?;
    for node in NODES {
        let before = links(&bed.cluster, node)?;
        bed.cluster.stop_agent(node)?;
        let mut command = bed.cluster.agent_command(node)?;
        command.arg("--object").arg(&object);
        let agent = bed.cluster.spawn_in(&bed.cluster.node(node).ns, command)?;
        agent.wait_line(0, PATIENCE, |line| line.starts_with("ready").then_some(()))?;
        traffic.go_on()?;
        expect_new_programs(&before, &links(&bed.cluster, node)?);
    }
    traffic.expect_clean(&bed)
}

/// An address that the cluster file gives to nobody.
fn stray() -> Element {
    let key = [&VNI.to_ne_bytes()[..], &[10, 50, 0, 99]].concat();
    Element { key, value: [0; 20].into() }
}
