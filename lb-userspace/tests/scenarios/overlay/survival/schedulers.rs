//! Schedulers by a virtual IP: which task a client meets. All client ports are chosen and the hash is
//! keyed by the cluster file, so the counts are the same in each run.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
};

use anyhow::{Result, ensure};
use lb_testbed::{NetworkTable, ServiceTable, Session as _, TcpSession, in_ns};

use super::super::bed::{Bed, NET, VNI, meet};
use crate::mesh::spread::{PORTS, ask_from, connect_all, count, is_spread, takes_turns};

/// Weights of the tasks.
const WEIGHTS: [f64; 3] = [1.0, 2.0, 3.0];

#[test]
fn ten_thousand_connections_and_datagrams_to_a_virtual_ip_spread_by_weight() -> Result<()> {
    let mut bed = Bed::new(&[("web", &["n1", "n2", "n3"]), ("app", &["n1"])])?;
    for (task, weight) in bed.file.service_mut("web").tasks.iter_mut().zip([1, 2, 3]) {
        task.weight = weight;
    }
    bed.apply()?;
    let (ns, to) = (bed.task("app.1"), bed.vip("web"));
    is_spread(&connect_all(ns, to)?, &WEIGHTS)?;
    let flows: Vec<_> = PORTS.map(|port| SocketAddrV4::new(bed.address("app.1"), port)).collect();
    is_spread(&count(ask_from(ns, &flows, to)?), &WEIGHTS)
}

#[test]
fn round_robin_takes_turns_by_a_virtual_ip() -> Result<()> {
    let bed = with("scheduler", "\"rr\"")?;
    let (ns, to) = (bed.task("app.1"), bed.vip("web"));
    let met = in_ns(ns, || -> Result<Vec<String>> {
        (0..30).map(|_| Ok(TcpSession::open_here(to, 0)?.first().task_name().to_owned())).collect()
    })??;
    takes_turns(&met)?;
    let from = bed.address("app.1");
    let ends: Vec<_> = (20_000..20_030).map(|port| SocketAddrV4::new(from, port)).collect();
    let met = ends.chunks(1).map(|end| ask_from(ns, end, to)).collect::<Result<Vec<_>>>()?;
    takes_turns(&met.concat())
}

#[test]
fn source_and_affinity_keep_a_client_of_a_virtual_ip_with_one_task() -> Result<()> {
    for (key, value) in [("scheduler", "\"source\""), ("affinity", "\"client-ip\"")] {
        let bed = with(key, value)?;
        let to = bed.vip("web");
        let mut all = BTreeSet::new();
        for client in CLIENTS {
            let tcp = meet::<TcpSession>(&bed, client, to, 16)?;
            let from = bed.address(client);
            let ends: Vec<_> = (20_000..20_016).map(|port| SocketAddrV4::new(from, port)).collect();
            let udp = count(ask_from(bed.task(client), &ends, to)?);
            ensure!(tcp.len() == 1 && udp.len() == 1, "{client}: TCP {tcp:?}, UDP {udp:?}");
            all.extend(tcp);
        }
        ensure!(all.len() > 1, "{key}: all clients meet {all:?}");
    }
    Ok(())
}

/// Clients of a service with an option.
const CLIENTS: [&str; 6] = ["app.1", "app.2", "app.3", "app.4", "app.5", "app.6"];

/// A service with that option and some clients.
fn with(key: &str, value: &str) -> Result<Bed> {
    let network = NetworkTable::new(NET).subnet("10.50.0.0/24", VNI);
    let table = |name: &str, last: u8| {
        let vip = format!("{{ {NET} = \"10.50.0.{last}\" }}");
        ServiceTable::new(name).network(NET).key("vip", vip)
    };
    let tables = vec![table("web", 101).key(key, value), table("app", 102)];
    let tasks: [(&str, &[&str]); 2] =
        [("web", &["n1", "n2", "n3"]), ("app", &["n1", "n1", "n2", "n2", "n3", "n3"])];
    let bed = Bed::with(vec![network], tables, &tasks, |at, _| {
        Some((NET, Ipv4Addr::new(10, 50, 0, 11 + at)))
    })?;
    bed.await_all()?;
    Ok(bed)
}
