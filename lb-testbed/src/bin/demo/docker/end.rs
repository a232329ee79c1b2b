//! The last chapter: the way back, and what stays (nothing), or how to look around in what was kept.

use std::time::Duration;

use anyhow::Result;
use lb_testbed::{dial, leftovers};

use super::stage::{FRONT, MANAGER, PUBLISHED, Stage};
use crate::story::Story;

/// How long a connection that leads nowhere is tried.
const LIMIT: Duration = Duration::from_secs(2);

pub(crate) fn tell(story: &mut Story, stage: Stage, keep: bool) -> Result<()> {
    if keep { kept(story, &stage) } else { removed(story, stage) }
}

fn removed(story: &mut Story, stage: Stage) -> Result<()> {
    story.chapter("The way back");
    story.say("`swarmlb detach` leaves Docker as it was: nothing of Docker's was ever changed.\n ");
    for node in stage.swarm.cluster().nodes() {
        stage.swarm.cluster().stop_agent(&node.name)?;
        let said = stage.swarm.swarmlb(&node.name, "detach")?;
        story.command(&format!("swarmlb detach        # on {}", node.name), &said);
        let pins = stage.swarm.cluster().pin_root(&node.name);
        story.check(!pins.exists(), &format!("{} has no pin left", node.name));
    }
    for to in stage.targets() {
        let refused = dial(stage.client(), to, 0, LIMIT)?.is_err();
        story.check(refused, &format!("http://{to}/ is as dead as before"));
    }
    stage.docker(story, &format!("service ps --filter desired-state=running {FRONT}"))?;
    let prefix = stage.swarm.cluster().prefix().clone();
    println!();
    story.during("removing engines, containers and wires", || {
        drop(stage);
        Ok(())
    })?;
    let left = leftovers(&prefix)?;
    story
        .check(left.is_empty(), &format!("{} namespaces, cgroups, pins or files left", left.len()));
    left.iter().for_each(|path| story.show(&path.display().to_string()));
    Ok(())
}

fn kept(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("Yours now");
    let (cluster, host) = (stage.swarm.cluster(), stage.swarm.engine(MANAGER).host());
    let swarmlb = cluster.swarmlb_command()?;
    let place = format!(
        "--pin-root {} --state-dir {}",
        cluster.pin_root(MANAGER).display(),
        cluster.state_dir(MANAGER).display()
    );
    story.say(&format!(
        "A page from any node:   nsenter --net={} curl {}:{PUBLISHED}\n\
         Docker, at the manager: docker -H {host} service ls\n\
         The service:            {} service ps {FRONT} {place}",
        stage.client().path().display(),
        cluster.address("n2"),
        swarmlb.get_program().to_string_lossy(),
    ));
    println!();
    Ok(())
}
