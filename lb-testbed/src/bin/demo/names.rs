//! Chapter 4: names, as the system's own resolver inside a task sees them.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::{
    stage::{DATABASE, FRONT_NODE, Stage},
    story::Story,
};

/// Lines of `swarmlb service inspect` that say what the service is.
const INSPECT_LINES: usize = 5;

pub(crate) fn tell(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("Names");
    story.say(
        "Inside every task a name server listens, at an address that means \"here\". It knows the\n\
         services of the task's networks and hands on what it does not know:",
    );
    stage.inside(story, "cat /etc/resolv.conf")?;
    stage.inside(story, "getent hosts mongo")?;
    stage.inside(story, "getent hosts tasks.mongo")?;
    story.say(
        "mongo is a single address, the service's virtual IP: no machine has it. tasks.mongo is\n\
         what stands behind. Programs ask for mongo and need not know how many there are.",
    );
    let inspected = stage.swarmlb(FRONT_NODE, &["service", "inspect", DATABASE])?;
    let head: Vec<&str> = inspected.lines().take(INSPECT_LINES).collect();
    let command = format!("swarmlb service inspect {DATABASE} | head -{INSPECT_LINES}");
    story.command(&format!("{command}        # on {FRONT_NODE}"), &head.join("\n"));
    println!();
    let vip = stage.resolve(DATABASE)?;
    let told = vip.len() == 1 && inspected.contains(&vip[0].to_string());
    story.check(told, &format!("mongo leads to {}, its virtual IP", shown(&vip)));
    let behind = stage.resolve("tasks.mongo")?;
    let mut tasks = BTreeSet::new();
    for server in stage.databases() {
        tasks.extend(stage.resolve(&server.name)?);
    }
    let same = behind.len() == 2 && behind.iter().copied().collect::<BTreeSet<_>>() == tasks;
    story.check(same, &format!("tasks.mongo leads to its two tasks: {}", shown(&behind)));
    Ok(())
}

fn shown(addresses: &[std::net::Ipv4Addr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
