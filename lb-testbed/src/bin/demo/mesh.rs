//! Chapter 3: every node answers, the tasks share the work, and they see who really asks.

use std::{collections::BTreeMap, process::Command};

use anyhow::Result;
use lb_testbed::{Load, LoadReport, chi_squared};

use crate::{
    cluster_file::{PUBLISHED, SERVICE},
    stage::Stage,
    story::Story,
};

/// Requests to each node.
const REQUESTS: u64 = 1000;

pub(crate) fn tell(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("The published port answers on every node");
    story.say(
        "n3 runs no replica. It sends the client's packets on to n1 or n2 in a tunnel, from the\n\
         driver hook of its NIC (XDP), and keeps no state about the connection:",
    );
    for node in stage.cluster.nodes() {
        ask(story, stage, &format!("http://{}:{PUBLISHED}/", node.address))?;
    }
    let mut reports = Vec::new();
    for (node, target) in stage.cluster.nodes().iter().zip(stage.targets()) {
        let load = Load::new(&stage.cluster.client().ns, [target]).total(REQUESTS);
        let what = format!("{REQUESTS} requests to {}, a new connection each", node.name);
        reports.push((node.name.clone(), story.during(&what, || load.run())?));
    }
    spread(story, stage, &reports);
    client_address(story, stage)
}

fn ask(story: &Story, stage: &Stage, url: &str) -> Result<()> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "5", url]);
    let output = stage.cluster.run_in(&stage.cluster.client().ns, curl)?;
    let said = [output.stdout, output.stderr].concat();
    story.command(&format!("curl {url}        # on c1"), &String::from_utf8_lossy(&said));
    Ok(())
}

fn spread(story: &mut Story, stage: &Stage, reports: &[(String, LoadReport)]) {
    story.say("Who answered, by the node that was dialled:");
    let tasks: Vec<&str> = stage.members.iter().map(|member| member.task.as_str()).collect();
    let head = |task: &&str| (*task).to_owned();
    let mut rows = vec![[String::new()].into_iter().chain(tasks.iter().map(head)).collect()];
    let mut totals = BTreeMap::<&str, u64>::new();
    for (node, report) in reports {
        let counts: Vec<u64> =
            tasks.iter().map(|&task| report.by_task.get(task).copied().unwrap_or(0)).collect();
        tasks
            .iter()
            .zip(&counts)
            .for_each(|(task, count)| *totals.entry(task).or_default() += count);
        rows.push([node.clone()].into_iter().chain(counts.iter().map(u64::to_string)).collect());
    }
    story.table(&rows);
    println!();
    let answered: u64 = totals.values().sum();
    let failed: u64 = reports.iter().map(|(_, report)| report.failed).sum();
    story.check(failed == 0, &format!("{answered} requests answered, {failed} failed"));
    let counts: Vec<u64> = totals.into_values().collect();
    let even = chi_squared(&counts, &vec![1.0; counts.len()]);
    let measure = format!("chi-squared {:.1}, fair below {:.1}", even.statistic, even.critical);
    story.check(even.is_plausible(), &format!("the spread is even ({measure})"));
}

fn client_address(story: &mut Story, stage: &Stage) -> Result<()> {
    let client = stage.cluster.client().address;
    story.say(
        "Usual routing meshes hide the client: tasks see the address of a node (source NAT). Here\n\
         a task sees the client itself, its port included. From the servers' own logs:\n ",
    );
    let (mut connections, mut strangers) = (0, 0);
    for server in &stage.servers {
        let seen = server.seen()?;
        connections += seen.len();
        strangers += seen.iter().filter(|seen| *seen.peer.ip() != client).count();
        for seen in seen.iter().rev().take(2) {
            story.show(&format!("{} accepted a connection from {}", server.name, seen.peer));
        }
    }
    println!();
    let claim = format!(
        "{connections} connections logged by the tasks of {SERVICE}, {strangers} of them from \
         another address than {client}"
    );
    story.check(connections > 0 && strangers == 0, &claim);
    Ok(())
}
