//! Chapter 5: one address for a service: its tasks take turns, and see who really asks.

use std::collections::BTreeSet;

use anyhow::Result;
use lb_testbed::{Answer, Load, chi_squared};

use crate::{
    stage::{DATABASE_PORT, FRONT_NODE, FRONT_TASK, Stage},
    story::Story,
};

/// Requests by hand.
const BY_HAND: usize = 6;
/// Requests by the load.
const REQUESTS: u64 = 1000;

pub(crate) fn tell(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("The virtual IP");
    story.say(
        "What mongo-express does for each page, by hand: ask the virtual IP, by name. The program\n\
         at its interface picks a task for each new connection and writes that one's address into\n\
         the packets; in the answers it writes the virtual IP back. Neither side notices.",
    );
    let url = format!("http://mongo:{DATABASE_PORT}/");
    let mut answers = Vec::new();
    for _ in 0..BY_HAND {
        answers.push(stage.cluster.curl(stage.front()?, &url)?);
    }
    let line = format!("for i in 1 2 3 4 5 6; do curl {url}; done        # in {FRONT_TASK}");
    story.command(&line, &answers.concat());
    println!();
    turns(story, &answers);
    let load = Load::new(stage.front()?, [stage.vip()?]).total(REQUESTS);
    let what = format!("{REQUESTS} more, a new connection each");
    let report = story.during(&what, || load.run())?;
    let counts: Vec<u64> = report.by_task.values().copied().collect();
    let even = chi_squared(&counts, &vec![1.0; counts.len()]);
    let shares: Vec<String> =
        report.by_task.iter().map(|(task, n)| format!("{n} {task}")).collect();
    story.check(
        report.failed == 0 && counts.len() == 2 && even.is_plausible(),
        &format!("answered by: {}; {} failed", shares.join(", "), report.failed),
    );
    source(story, stage)
}

fn turns(story: &mut Story, answers: &[String]) {
    let names: Vec<String> =
        answers.iter().map(|answer| Answer::parse(answer).task_name().to_owned()).collect();
    let changes = names.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let both = names.iter().collect::<BTreeSet<_>>().len() == 2;
    story.check(both && changes >= BY_HAND / 2, "the two tasks of mongo take turns");
}

/// Usual overlays hide the client of a virtual IP.
fn source(story: &mut Story, stage: &Stage) -> Result<()> {
    let own = stage.resolve(FRONT_TASK)?;
    let (mut connections, mut strangers) = (0, 0);
    for server in stage.databases() {
        let seen = server.seen()?;
        connections += seen.len();
        strangers += seen.iter().filter(|seen| !own.contains(seen.peer.ip())).count();
    }
    let claim = format!(
        "{connections} connections in mongo's logs, {strangers} from another address than \
         {FRONT_TASK}'s own"
    );
    story.check(connections > 0 && strangers == 0, &claim);
    let flows = stage.swarmlb(FRONT_NODE, &["flows", "--vip"])?;
    let head: Vec<&str> = flows.lines().take(4).collect();
    story.command(
        &format!("swarmlb flows --vip | head -4        # on {FRONT_NODE}"),
        &head.join("\n"),
    );
    Ok(())
}
