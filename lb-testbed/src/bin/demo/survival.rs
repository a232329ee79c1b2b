//! Chapter 6: the agent of a node is killed, and nobody notices.

use anyhow::Result;

use crate::{stage::Stage, story::Story, traffic::Traffic};

/// The node whose agent dies: one with a replica.
const NODE: &str = "n2";
/// Lines of `swarmlb status` that say how the agent is.
const STATUS_LINES: usize = 4;

pub(crate) fn tell(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("kill -9 of an agent under load");
    story.say(
        "Programs, links and tables are pinned in the kernel and belong to no process. The agent\n\
         is needed for changes, not for packets.\n ",
    );
    let traffic = Traffic::start(story, stage)?;
    let pid = stage.cluster.agent(NODE)?.pid();
    story.during(&format!("kill -9 {pid}, the agent of {NODE}"), || {
        stage.cluster.kill_agent(NODE)
    })?;
    traffic.go_on(story, "800 more requests without it", 800)?;
    let status = stage.swarmlb(NODE, &["status"])?;
    let first: Vec<&str> = status.lines().take(STATUS_LINES).collect();
    story.command(
        &format!("swarmlb status | head -{STATUS_LINES}        # on {NODE}"),
        &first.join("\n"),
    );
    println!();
    story.during("starting it again, on the same pins", || stage.cluster.start_agent(NODE))?;
    traffic.go_on(story, "400 more requests", 400)?;
    println!();
    traffic.stop(story, "agent killed and restarted")
}
