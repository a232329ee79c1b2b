//! Chapters 10 and 11: the database grows and a replica drains while traffic goes on.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lb_testbed::{Server, Sessions, TcpSession, eventually};

use crate::{
    stage::{DATABASE, FRONT_NODE, Stage},
    story::Story,
    traffic::Traffic,
};

/// Where the new replica runs.
const NODE: &str = "n1";
/// The replica that drains.
const DRAINED: &str = "mongo.1";
/// How long a new replica may wait for its first connection.
const FIRST_LIMIT: Duration = Duration::from_secs(60);
/// Connections that are held through the drain.
const SESSIONS: usize = 30;

/// A third replica.
pub(crate) fn scale_up(story: &mut Story, stage: &mut Stage) -> Result<()> {
    story.chapter("Scale-up under load");
    story.say(
        "A third replica of mongo, on n1: a namespace with a server, and a table more in the file.\n\
         Its name, its virtual IP and the connections that are open stay as they are.\n ",
    );
    let traffic = Traffic::start(story, stage)?;
    story.during("starting mongo.3", || stage.add_database(NODE))?;
    let added = stage.file.service_mut(DATABASE).tasks.last().context("no task")?.clone();
    let file = stage.cluster.config_path();
    story.command(&format!("edit {}", file.display()), &added.to_string());
    println!();
    let begun = Instant::now();
    story.during("until mongo.3 has its first connection", || {
        stage.cluster.apply_config(&stage.file.to_string())?;
        let server = stage.server(&added.name)?;
        eventually(FIRST_LIMIT, "a connection to mongo.3", || {
            server.seen().is_ok_and(|seen| !seen.is_empty())
        })
    })?;
    let first = begun.elapsed();
    traffic.go_on(story, "300 more pages", 300)?;
    stage.show(story, FRONT_NODE, &["service", "ps", DATABASE])?;
    let behind = stage.resolve("tasks.mongo")?.len();
    println!();
    story.check(behind == 3, &format!("tasks.mongo leads to {behind} tasks"));
    let served = stage.server(&added.name)?.seen()?.len();
    let after = first.as_millis();
    story.check(
        served > 0,
        &format!("the new replica served first after {after} ms, {served} times"),
    );
    traffic.stop(story, "scale-up")
}

/// A replica that gets no new clients and keeps those it has.
pub(crate) fn drain(story: &mut Story, stage: &mut Stage) -> Result<()> {
    story.chapter("Drain under load");
    story.say(&format!(
        "Before a replica goes away, it drains: weight = 0 for {DRAINED} means no new client, while\n\
         whoever is connected stays. {SESSIONS} connections to mongo are opened first and asked again\n\
         afterwards.\n "
    ));
    let traffic = Traffic::start(story, stage)?;
    let mut sessions = Sessions::<TcpSession>::open(stage.front()?, &[stage.vip()?], SESSIONS)?;
    stage.file.service_mut(DATABASE).task_mut(DRAINED).weight = 0;
    let file = stage.file.to_string();
    story.during("telling the agents", || stage.cluster.apply_config(&file))?;
    traffic.go_on(story, "100 more pages, so that none is under way from before", 100)?;
    let before = accepted(stage)?;
    traffic.go_on(story, "300 more pages", 300)?;
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
    let answer = SESSIONS - lost.len();
    story.check(
        lost.is_empty() && held > 0,
        &format!(
            "{answer} of {SESSIONS} held connections still answer, {held} of them {DRAINED}'s"
        ),
    );
    story.show(&lost.join("\n"));
    traffic.stop(story, "drain")
}

/// Connections that each task of the database has accepted so far.
fn accepted(stage: &Stage) -> Result<Vec<(String, usize)>> {
    let count = |server: &Server| Ok((server.name.clone(), server.seen()?.len()));
    stage.databases().map(count).collect()
}
