//! What an agent keeps of a large cluster in its own memory, and how long it takes to notice a change
//! of its file: a real agent, whose tasks are all on another node.

use std::{fs, net::Ipv4Addr, time::Instant};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Cluster, ClusterFile, Ns, Outcome, ServiceTable, TaskTable};

use crate::{
    figure::{Figure, Unit},
    packet::cluster::Size,
};

/// First published port.
const FIRST: u16 = 10_000;

/// What an agent took, bytes and ms.
struct Taken {
    memory: f64,
    change_ms: f64,
}

/// Figures for an agent that knows a cluster of this size; `id` makes ids of names.
pub(super) fn memory(size: Size, id: impl Fn(Size, &str) -> String) -> Result<Vec<Figure>> {
    let half = |count: u16| count / 2;
    let [none, fewer, thinner, all] = [
        Size { services: 0, backends: 0 },
        Size { services: half(size.services), ..size },
        Size { backends: half(size.backends), ..size },
        size,
    ]
    .map(taken);
    let (none, fewer, thinner, all) = (none?.memory, fewer?.memory, thinner?.memory, all?);
    let services = f64::from(size.services);
    let backends = services * f64::from(size.backends);
    // Half the backends at as many services; half of both.
    let per_backend = (all.memory - thinner) / (backends / 2.0);
    let per_service = (all.memory - fewer - per_backend * backends / 2.0) / (services / 2.0);
    let single = |what: &str, title: &str, unit, value| Figure {
        samples: vec![value],
        ..Figure::new(id(size, what), title, unit)
    };
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    Ok(vec![
        single("agent-memory", "agent, without mapped BPF memory", Unit::Mib, mib(all.memory)),
        single("agent-idle", "an agent that knows nothing", Unit::Mib, mib(none)),
        single("agent-service-bytes", "agent, a service", Unit::Bytes, per_service),
        single("agent-backend-bytes", "agent, a backend", Unit::Bytes, per_backend),
        single(
            "agent-change",
            "from a change of the file to its last write",
            Unit::Ms,
            all.change_ms,
        ),
    ])
}

fn taken(size: Size) -> Result<Taken> {
    let cluster = Cluster::builder().nodes(1).clients(0).build()?;
    cluster.write_config(&file(&cluster, size, 1))?;
    let agent = cluster.start_agent("n1")?;
    let memory = own_memory(agent.pid())?;
    cluster.write_config(&file(&cluster, size, 0))?;
    let start = Instant::now();
    let outcome = cluster.reload("n1")?;
    let change_ms = start.elapsed().as_secs_f64() * 1e3;
    ensure!(matches!(outcome, Outcome::Ready(_)), "the agent refused a change: {outcome:?}");
    Ok(Taken { memory: memory.max(own_memory(agent.pid())?), change_ms })
}

/// The first task of the first service has this weight.
fn file(cluster: &Cluster, size: Size, weight: u16) -> String {
    let service = |number: u16| {
        let name = format!("many-{number}");
        let port = FIRST + number;
        let task = |task: u16| {
            let first = (number, task) == (0, 0);
            let name = format!("{name}.{}", task + 1);
            let table = TaskTable::new(&name, "n2", &Ns::named(&*name)).key("number", task + 1);
            table.weight(if first { weight } else { 1 })
        };
        let service = ServiceTable::new(&name).publish(port, 8080, "tcp");
        (0..size.backends).map(task).fold(service, ServiceTable::task)
    };
    let file = ClusterFile::new(cluster).node("n2", Ipv4Addr::new(198, 18, 0, 2));
    (0..size.services).map(service).fold(file, ClusterFile::service).to_string()
}

/// Resident memory of a process without maps of the kernel's that it has mapped, bytes.
fn own_memory(pid: i32) -> Result<f64> {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps"))?;
    resident(&smaps).context("/proc/PID/smaps is not what it was")
}

/// proc(5): a line that begins a mapping has its range first and its name last.
fn resident(smaps: &str) -> Option<f64> {
    let (mut total_kib, mut is_map) = (0.0, false);
    for line in smaps.lines() {
        if let Some(kib) = line.strip_prefix("Rss:") {
            let kib: f64 = kib.trim().strip_suffix(" kB")?.trim().parse().ok()?;
            total_kib += if is_map { 0.0 } else { kib };
        } else if line.split(' ').next().is_some_and(|range| range.contains('-')) {
            is_map = line.contains("bpf-map");
        }
    }
    Some(total_kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_maps_are_not_counted() {
        let smaps = "5581-5582 rw-p 00000000 00:00 0 [heap]\nSize: 132 kB\nRss:      100 kB\n\
                     VmFlags: rd wr\n7f00-7f01 rw-s 00000000 00:0f 1081 anon_inode:bpf-map\n\
                     Rss:     4096 kB\n7f02-7f03 r-xp 00000000 fe:00 12 /usr/lib/libc.so.6\nRss: 28 kB\n";
        assert_eq!(resident(smaps), Some(128.0 * 1024.0));
        assert_eq!(resident("Rss: many kB\n"), None);
    }
}
