//! Chapters 7 to 9: more replicas, a rolling update, agents killed, while traffic goes on.

use std::time::Instant;

use anyhow::Result;
use lb_testbed::eventually;

use super::{
    stage::{FRONT, MANAGER, REPLICAS, Stage},
    traffic::{LIMIT, Traffic},
};
use crate::story::Story;

/// How late nodes may know of tasks: a second, and what asking three of them takes on a busy machine.
const LATE_MS: u128 = 3000;
/// Replicas after the scale-up.
const MORE: usize = 6;

pub(crate) fn scale(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("Scale up and down under load");
    story.say(
        "New replicas get clients once they run; stopping ones get none from the moment on that the\n\
         Swarm means to stop them, and finish what they have.\n ",
    );
    let traffic = Traffic::start(story, stage)?;
    for replicas in [MORE, REPLICAS] {
        story.command(&format!("docker service scale {FRONT}={replicas}"), "");
        let scale = || stage.swarm.scale(FRONT, replicas);
        story.during("until the Swarm has done it", scale)?;
        let begun = Instant::now();
        known(stage, replicas)?;
        let late_ms = begun.elapsed().as_millis();
        story.check(
            late_ms < LATE_MS,
            &format!("every node knew {replicas} tasks {late_ms} ms later"),
        );
        traffic.go_on(story, "500 more answers")?;
    }
    traffic.stop(story, "scale 2 -> 6 -> 2")
}

/// Waits until every node's maps have that many tasks of the page.
fn known(stage: &Stage, tasks: usize) -> Result<()> {
    for node in stage.swarm.names() {
        eventually(LIMIT, &format!("{tasks} tasks on {node}"), || {
            active(stage, node).is_ok_and(|active| active == Some(tasks as u64))
        })?;
    }
    Ok(())
}

/// How many tasks of the page a node sends new connections to.
fn active(stage: &Stage, node: &str) -> Result<Option<u64>> {
    let said = stage.swarm.swarmlb(node, "service ls --output json")?;
    let services: Vec<serde_json::Value> = serde_json::from_str(&said)?;
    let page = services.iter().find(|service| service["name"] == FRONT);
    Ok(page.and_then(|page| page["tasks_active"].as_u64()))
}

pub(crate) fn update(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("A rolling update under load");
    story.say("Both replicas are replaced, one after the other.\n ");
    let before = stage.swarm.tasks(FRONT)?;
    let traffic = Traffic::start(story, stage)?;
    story.command(&format!("docker service update --force {FRONT}"), "");
    let update = || stage.swarm.update_service(FRONT, "--force");
    let after = story.during("until the Swarm has done it", update)?;
    traffic.go_on(story, "500 more answers")?;
    stage.docker(
        story,
        &format!(
            "service ps --format {{{{.Name}}}}\\t{{{{.Node}}}}\\t{{{{.CurrentState}}}} {FRONT}"
        ),
    )?;
    println!();
    let kept = after.iter().filter(|task| before.iter().any(|old| old.id == task.id)).count();
    story.check(kept == 0, &format!("{} tasks are new, {kept} are old", after.len()));
    traffic.stop(story, "rolling update")
}

pub(crate) fn kill_agents(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("kill -9 of every agent under load");
    story.say(
        "Programs and tables stay in the kernel and belong to no process. The agents are needed for\n\
         changes, not for packets.\n ",
    );
    let traffic = Traffic::start(story, stage)?;
    for node in stage.swarm.names() {
        let pid = stage.swarm.cluster().agent(node)?.pid();
        story.during(&format!("kill -9 {pid}, the agent of {node}"), || {
            stage.swarm.cluster().kill_agent(node)
        })?;
    }
    traffic.go_on(story, "500 more answers without them")?;
    let nodes: Vec<&str> = stage.swarm.names().collect();
    story.during("starting them again", || stage.swarm.start_agents(nodes.iter().copied()))?;
    traffic.go_on(story, "500 more answers")?;
    let status = stage.swarm.swarmlb(MANAGER, "status")?;
    let first: Vec<&str> = status.lines().take(6).collect();
    story.command(&format!("swarmlb status | head -6        # on {MANAGER}"), &first.join("\n"));
    println!();
    traffic.stop(story, "agents killed and restarted")
}
