//! Chapters 4 to 6: agents beside the engines, every node answers, tasks see who asks.

use std::collections::BTreeMap;

use anyhow::Result;
use lb_testbed::{Load, LoadReport, eventually};

use super::{
    stage::{DATABASE, FRONT, MANAGER, PUBLISHED, REPLICAS, Stage},
    traffic::LIMIT,
};
use crate::story::Story;

/// Requests to each node.
const REQUESTS: u64 = 200;

pub(crate) fn start(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("An agent beside each engine");
    story.say(
        "No change to Docker, no restart, no file to be written: the agent asks the engine what there\n\
         is to be balanced, loads its programs into the kernel, and follows the Swarm from then on.",
    );
    story.command("swarmlb agent --source docker        # on each node", "");
    let nodes: Vec<&str> = stage.swarm.names().collect();
    story.during("starting three agents", || stage.swarm.start_agents(nodes.iter().copied()))?;
    story.during("until they have heard of each other", || stage.swarm.await_mesh())?;
    story.during("until every node answers", || answering(stage))?;
    for words in ["node ls", "service ls"] {
        let said = stage.swarm.swarmlb(MANAGER, words)?;
        story.command(&format!("swarmlb {words}        # on {MANAGER}"), &said);
    }
    Ok(())
}

/// Waits until every node's published port leads to a page with the database behind it.
pub(crate) fn answering(stage: &Stage) -> Result<()> {
    for node in stage.swarm.cluster().nodes() {
        let url = format!("http://{}:{PUBLISHED}/", node.address);
        eventually(LIMIT, &format!("an answer of {url}"), || {
            stage.swarm.cluster().curl(stage.client(), &url).is_ok()
        })?;
    }
    Ok(())
}

pub(crate) fn mesh(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("The same requests again");
    story.say(
        "Each page shows two hops: client to page by the mesh, page to database by virtual IP.",
    );
    for node in stage.swarm.cluster().nodes() {
        let url = format!("http://{}:{PUBLISHED}/", node.address);
        let page = stage.swarm.cluster().curl(stage.client(), &url)?;
        story.command(&format!("curl {url}        # on c1, asks {}", node.name), &page);
    }
    println!();
    let mut rows =
        vec![["dialled", "pages", "failed", "pages by", "data by"].map(str::to_owned).to_vec()];
    let (mut fronts, mut databases) = (BTreeMap::new(), BTreeMap::new());
    let (mut answered, mut failed) = (0, 0);
    for (name, to) in stage.swarm.names().zip(stage.targets()) {
        let load = Load::new(stage.client(), [to]).concurrency(8).total(REQUESTS);
        let what = format!("{REQUESTS} pages from {name}, a new connection each");
        let report = story.during(&what, || load.run())?;
        rows.push(row(name, &report));
        add(&mut fronts, &report.by_task);
        add(&mut databases, &report.by_behind);
        (answered, failed) = (answered + report.ok, failed + report.failed);
        if report.failed > 0 {
            story.show(&report.to_string());
        }
    }
    story.table(&rows);
    println!();
    story.check(failed == 0, &format!("{answered} pages, {failed} failed"));
    for (service, counts) in [(FRONT, fronts), (DATABASE, databases)] {
        // Half of a fair share is far from what chance takes away.
        let least = answered / (2 * REPLICAS as u64);
        let even = counts.len() == REPLICAS && counts.values().all(|count| *count > least);
        let shown: Vec<String> =
            counts.iter().map(|(task, count)| format!("{task} {count}")).collect();
        story.check(even, &format!("{service}'s replicas share the work: {}", shown.join(", ")));
    }
    Ok(())
}

fn row(name: &str, report: &LoadReport) -> Vec<String> {
    let tasks = |counts: &BTreeMap<String, u64>| format!("{} tasks", counts.len());
    let counts = [report.ok.to_string(), report.failed.to_string()];
    let [ok, failed] = counts;
    vec![name.to_owned(), ok, failed, tasks(&report.by_task), tasks(&report.by_behind)]
}

fn add(sum: &mut BTreeMap<String, u64>, counts: &BTreeMap<String, u64>) {
    counts.iter().for_each(|(task, count)| *sum.entry(task.clone()).or_default() += count);
}

pub(crate) fn client_address(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("Who asks");
    let client = stage.swarm.cluster().client().address;
    story.say(
        "Docker's own mesh hides the client: tasks see an address of the ingress network, in every\n\
         log line. Here they see the client itself:",
    );
    let (mut own, mut strangers) = (0, 0);
    for task in stage.swarm.tasks(FRONT)? {
        let log = stage.swarm.task_log(&task)?;
        // Its first line only says that it is ready.
        let seen = log.lines().filter(|line| line.contains("peer="));
        let (its, others): (Vec<&str>, Vec<&str>) =
            seen.partition(|line| line.contains(&format!("peer={client}:")));
        (own, strangers) = (own + its.len(), strangers + others.len());
        let last = its.last().copied().unwrap_or_default();
        story.command(&format!("docker logs --tail 1 {}", task.answers_as()), last);
    }
    println!();
    let claim = format!("{own} connections logged from {client}, {strangers} from elsewhere");
    story.check(own > 0 && strangers == 0, &claim);
    Ok(())
}
