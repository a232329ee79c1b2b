//! Chapters 7 and 8: the service grows and a replica drains while both kinds of traffic go on.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lb_testbed::{Sessions, TcpSession, eventually};
use serde_json::Value;

use crate::{cluster_file::SERVICE, maps::inspect, stage::Stage, story::Story, traffic::Traffic};

/// Where the new replica runs, and whose view of the tables is shown.
const NODE: &str = "n3";
/// The replica that drains.
const DRAINED: &str = "web.1";
/// How long a new replica may wait for its first connection.
const FIRST_LIMIT: Duration = Duration::from_secs(20);
/// Connections that are held through the drain.
const SESSIONS: usize = 30;

/// A fourth replica, on a node that had none.
pub(crate) fn scale_up(story: &mut Story, stage: &mut Stage) -> Result<()> {
    story.chapter("Scale-up under load");
    story.say(
        "A fourth replica, on n3: a namespace with a server, and a table more in the file.\n ",
    );
    let traffic = Traffic::start(story, stage)?;
    story.during("starting web.4", || stage.add_task(NODE))?;
    let added = stage.members.last().context("no task")?.clone();
    story.command(&format!("cat >> {}", stage.cluster.config_path().display()), &added.table());
    println!();
    let begun = Instant::now();
    story.during("until web.4 has its first connection", || {
        stage.cluster.apply_config(&stage.file())?;
        let server = stage.server(&added.task)?;
        eventually(FIRST_LIMIT, "a connection to web.4", || {
            server.seen().is_ok_and(|seen| !seen.is_empty())
        })
    })?;
    let first = begun.elapsed();
    traffic.go_on(story, "800 more requests", 800)?;
    story.command(
        "swarmlb service ps web        # on n3",
        &stage.swarmlb(NODE, &["service", "ps", SERVICE])?,
    );
    let rows = Rows::of(&inspect(stage, NODE)?)?;
    story.say(&format!(
        "{} of {} rows ({} %) have a new owner and remember the former one. A segment of a\n\
         connection that began before goes to the new owner first, whose node does not know it\n\
         and sends it on to the former owner: no node needs a table of connections for that.",
        rows.moved,
        rows.all,
        rows.moved * 100 / rows.all.max(1)
    ));
    println!();
    story.check(rows.moved > 0, &format!("the new replica served after {} ms", first.as_millis()));
    traffic.stop(story, "scale-up")
}

/// A replica that gets no new clients and keeps those it has.
pub(crate) fn drain(story: &mut Story, stage: &mut Stage) -> Result<()> {
    story.chapter("Drain under load");
    story.say(&format!(
        "weight = 0 for {DRAINED}: no new client, while whoever is connected stays. To see the second\n\
         part, {SESSIONS} connections are opened first and asked again afterwards.\n "
    ));
    let traffic = Traffic::start(story, stage)?;
    let client = stage.cluster.client().ns.clone();
    let mut sessions = Sessions::<TcpSession>::open(&client, &stage.targets(), SESSIONS)?;
    let drained = stage.members.iter_mut().find(|member| member.task == DRAINED);
    drained.context("nobody to drain")?.weight = 0;
    story.during("telling the agents", || stage.cluster.apply_config(&stage.file()))?;
    traffic.go_on(story, "200 more requests, so that none is under way from before", 200)?;
    let before = accepted(stage)?;
    traffic.go_on(story, "600 more requests", 600)?;
    let after = accepted(stage)?;
    let by_task = sessions.by_task();
    let lost = sessions.ping_all();
    let mut rows = vec![["", "new connections", "held connections"].map(str::to_owned).to_vec()];
    for ((task, now), (_, then)) in after.iter().zip(&before) {
        let held = by_task.get(task).copied().unwrap_or(0);
        rows.push(vec![task.clone(), (now - then).to_string(), held.to_string()]);
    }
    story.table(&rows);
    println!();
    let fresh = after.iter().zip(&before).find(|((task, _), _)| task == DRAINED);
    let fresh = fresh.map_or(0, |((_, now), (_, then))| now - then);
    story.check(fresh == 0, &format!("{fresh} new connections to {DRAINED} since"));
    let held = by_task.get(DRAINED).copied().unwrap_or(0);
    story.check(
        lost.is_empty() && held > 0,
        &format!(
            "{} of {SESSIONS} held connections still answer, {held} of them from {DRAINED}",
            SESSIONS - lost.len()
        ),
    );
    story.show(&lost.join("\n"));
    traffic.stop(story, "drain")
}

/// Connections that each task has accepted so far.
fn accepted(stage: &Stage) -> Result<Vec<(String, usize)>> {
    let count = |server: &lb_testbed::Server| Ok((server.name.clone(), server.seen()?.len()));
    stage.servers.iter().map(count).collect()
}

/// How many rows the service has, and how many of them remember a former owner.
struct Rows {
    all: u64,
    moved: u64,
}

impl Rows {
    fn of(inspected: &Value) -> Result<Self> {
        let all = inspected["rows"]["count"].as_u64().context("no row count")?;
        let fresh = inspected["history_depth"][0].as_u64().context("no history")?;
        Ok(Self { all, moved: all - fresh })
    }
}
