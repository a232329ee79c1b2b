//! Chapter 6: clients outside reach the service on every node, and the task sees who really asks.

use std::collections::BTreeMap;

use anyhow::Result;
use lb_testbed::{Load, LoadReport};

use crate::{
    stage::{FRONT_TASK, PUBLISHED, Stage},
    story::Story,
};

/// Requests to each node.
const REQUESTS: u64 = 400;

pub(crate) fn tell(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("The published port, on every node");
    story.say(
        "Port 80 of every node is mongo-express, also of n2 and n3, where it does not run: their\n\
         network cards' programs send the client's packets on to n1 in an envelope (this is the\n\
         routing mesh). Each page shows the two hops, client to page and page to database:",
    );
    for node in stage.cluster.nodes() {
        let url = format!("http://{}:{PUBLISHED}/", node.address);
        let page = stage.cluster.curl(&stage.cluster.client().ns, &url)?;
        story.command(&format!("curl {url}        # on c1, asks {}", node.name), &page);
    }
    println!();
    let mut reports = Vec::new();
    for (node, target) in stage.cluster.nodes().iter().zip(stage.targets()) {
        let load = Load::new(&stage.cluster.client().ns, [target]).total(REQUESTS);
        let what = format!("{REQUESTS} pages from {}, a new connection each", node.name);
        reports.push((node.name.clone(), story.during(&what, || load.run())?));
    }
    spread(story, &reports);
    client_address(story, stage)
}

fn spread(story: &mut Story, reports: &[(String, LoadReport)]) {
    story.say("Which task of mongo was behind, by the node that was dialled:");
    let mut totals = BTreeMap::<&str, u64>::new();
    let counted = reports.iter().flat_map(|(_, report)| &report.by_behind);
    counted.for_each(|(task, count)| *totals.entry(task).or_default() += count);
    let tasks = || totals.keys().map(|task| (*task).to_owned());
    let mut rows = vec![[String::new()].into_iter().chain(tasks()).collect()];
    for (node, report) in reports {
        let count = |task| report.by_behind.get(&task).copied().unwrap_or(0).to_string();
        rows.push([node.clone()].into_iter().chain(tasks().map(count)).collect());
    }
    story.table(&rows);
    println!();
    let answered: u64 = reports.iter().map(|(_, report)| report.ok).sum();
    let failed: u64 = reports.iter().map(|(_, report)| report.failed).sum();
    story.check(failed == 0, &format!("{answered} pages, {failed} failed"));
    reports.iter().filter(|(_, report)| report.failed > 0).for_each(|(_, report)| {
        story.show(&report.to_string());
    });
    story.check(totals.len() == 2, "each of mongo's tasks had its part");
}

fn client_address(story: &mut Story, stage: &Stage) -> Result<()> {
    let client = stage.cluster.client().address;
    story.say(
        "Usual routing meshes hide the client: the task sees the address of a node instead. Here\n\
         it sees the client itself, its port included. From mongo-express's own log:\n ",
    );
    let seen = stage.server(FRONT_TASK)?.seen()?;
    for seen in seen.iter().rev().take(2) {
        story.show(&format!("{FRONT_TASK} accepted a connection from {}", seen.peer));
    }
    println!();
    let strangers = seen.iter().filter(|seen| *seen.peer.ip() != client).count();
    let claim = format!(
        "{} connections logged, {strangers} of them from another address than {client}",
        seen.len()
    );
    story.check(!seen.is_empty() && strangers == 0, &claim);
    Ok(())
}
