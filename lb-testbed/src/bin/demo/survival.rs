//! Chapter 9: the agent of a node is killed, and nobody notices.

use anyhow::Result;

use crate::{
    stage::{DATABASE, FRONT_NODE, Stage},
    story::Story,
    traffic::Traffic,
};

/// Lines of `swarmlb status` that say how the agent is.
const STATUS_LINES: usize = 4;

pub(crate) fn tell(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("kill -9 of an agent under load");
    story.say(
        "Programs and tables stay in the kernel and belong to no process. The agent is needed for\n\
         changes and for names, not for packets. The one of n1 dies, where mongo-express runs: it\n\
         goes on with the virtual IP that it looked up before, as that does not change.\n ",
    );
    let before = stage.vip()?;
    let traffic = Traffic::start(story, stage)?;
    let pid = stage.cluster.agent(FRONT_NODE)?.pid();
    story.during(&format!("kill -9 {pid}, the agent of {FRONT_NODE}"), || {
        stage.cluster.kill_agent(FRONT_NODE)
    })?;
    traffic.go_on(story, "300 more pages without it", 300)?;
    let status = stage.swarmlb(FRONT_NODE, &["status"])?;
    let first: Vec<&str> = status.lines().take(STATUS_LINES).collect();
    story.command(
        &format!("swarmlb status | head -{STATUS_LINES}        # on {FRONT_NODE}"),
        &first.join("\n"),
    );
    println!();
    story.during("starting it again", || stage.cluster.start_agent(FRONT_NODE))?;
    traffic.go_on(story, "300 more pages", 300)?;
    println!();
    let again = stage.resolve(DATABASE)? == [*before.ip()];
    story.check(again, &format!("names are back: mongo leads to {}, as before", before.ip()));
    traffic.stop(story, "agent killed and restarted")
}
