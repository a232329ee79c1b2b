//! The routing mesh: the well-known example, asked from outside.

use anyhow::{Result, ensure};
use lb_testbed::{Load, TcpSession, UdpSession};

use super::bed::{Bed, meet, names};

/// Requests for a fair spread.
const REQUESTS: u64 = 900;

/// The commands of every tutorial. n3 has no task of the page, n1 is a manager.
#[test]
fn a_page_and_its_database_answer_on_every_node() -> Result<()> {
    let bed = Bed::shared()?;
    bed.swarm.add_image("mongo", &["whoami"], &["--port=27017"])?;
    bed.swarm.add_image("mongo-express", &["mongo-express"], &[])?;
    bed.swarm.docker("n1", "network create --driver overlay mongo_network")?;
    bed.service("mongo", "--replicas 2 --network mongo_network mongo")?;
    let page = "--replicas 2 --network mongo_network --publish published=80,target=8081 \
                --constraint node.hostname!=n3 mongo-express";
    let pages = bed.service("mongo-express", page)?;
    ensure!(pages.iter().all(|task| task.node != "n3"), "{pages:?}");
    super::bed::await_answer(bed.client(), bed.at("n3", 80))?;
    for to in bed.everywhere(80) {
        let report = Load::new(bed.client(), [to]).concurrency(4).total(100).run()?;
        report.expect_clean()?;
        ensure!(report.by_task.len() == 2 && report.by_behind.len() == 2, "{to}: {report}");
    }
    Ok(())
}

#[test]
fn replicas_are_hit_evenly_and_log_the_clients_address() -> Result<()> {
    let bed = Bed::shared()?;
    let words = "--replicas 3 --publish published=8001,target=80 \
                 --publish published=8001,target=80,protocol=udp \
                 whoami --port=80 --log=/dev/stdout";
    let tasks = bed.service("even", words)?;
    let load = Load::new(bed.client(), bed.everywhere(8001)).concurrency(8).total(REQUESTS);
    let report = load.run()?;
    report.expect_clean()?;
    // A fair share is 300; far less than half of it is not a fair spread's.
    let fair = report.by_task.len() == 3 && report.by_task.values().all(|count| *count > 150);
    ensure!(fair, "{report}");
    for to in bed.everywhere(8001) {
        assert_eq!(meet::<UdpSession>(bed.client(), to)?, names(&tasks));
    }
    let client = bed.swarm.cluster().client().address;
    for task in &tasks {
        let log = bed.swarm.task_log(task)?;
        for protocol in ["tcp", "udp"] {
            let seen = log.lines().filter(|line| line.starts_with(protocol));
            let (own, other): (Vec<&str>, Vec<&str>) =
                seen.partition(|line| line.contains(&format!("peer={client}:")));
            ensure!(!own.is_empty() && other.is_empty(), "{protocol}: {other:?}");
        }
    }
    Ok(())
}

#[test]
fn each_published_port_leads_to_its_own_target() -> Result<()> {
    let bed = Bed::shared()?;
    let words = "--replicas 2 --publish published=8011,target=81 --publish published=8012,target=82 \
                 --publish published=81,target=83 --publish published=8053,target=84,protocol=udp \
                 whoami --port=81 --port=82 --port=83 --port=84";
    let tasks = bed.service("several", words)?;
    for node in super::bed::NODES {
        for (published, target) in [(8011, 81), (8012, 82), (81, 83)] {
            let to = bed.at(node, published);
            let flow = <TcpSession as lb_testbed::Session>::open(bed.client(), to, 0)?;
            let answer = lb_testbed::Session::first(&flow);
            ensure!(answer.local.is_some_and(|local| local.port() == target), "{answer:?}");
        }
        assert_eq!(meet::<UdpSession>(bed.client(), bed.at(node, 8053))?, names(&tasks));
    }
    Ok(())
}

/// Docker's own, with iptables: only where a task is, and not ours.
#[test]
fn host_mode_is_left_to_docker() -> Result<()> {
    let bed = Bed::shared()?;
    let words = "--replicas 1 --publish mode=host,published=8021,target=80 whoami";
    let tasks = bed.swarm.create_service("hosted", words)?;
    for node in super::bed::NODES {
        let to = bed.at(node, 8021);
        if node == tasks[0].node {
            assert_eq!(meet::<TcpSession>(bed.client(), to)?, names(&tasks));
        } else {
            ensure!(lb_testbed::dial(bed.client(), to, 0, super::bed::AMPLE)?.is_err(), "{to}");
        }
    }
    Ok(())
}
