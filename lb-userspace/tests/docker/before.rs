//! Before and after: on a kernel without IPVS Docker leaves published ports and virtual IPs dead, and
//! says nothing. The same requests are answered once the agents run, without a change to Docker.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Result, ensure};
use lb_testbed::{SwarmTask, TcpSession, UdpSession, dial};

use super::bed::{AMPLE, Bed, NODES, SHORT, await_answer, meet, names};

const PORT: u16 = 8080;

#[test]
fn what_is_dead_without_swarmlb_answers_with_it() -> Result<()> {
    let bed = Bed::without_agents()?;
    bed.swarm.docker("n1", "network create --driver overlay inside")?;
    let web = "--replicas 3 --network inside --publish published=8080,target=80 whoami";
    let udp = "--publish published=8080,target=80,protocol=udp";
    let tasks = bed.swarm.create_service("web", &format!("{udp} {web}"))?;
    if !std::path::Path::new("/proc/sys/net/ipv4/vs").exists() {
        ports_are_refused(&bed)?;
        vip_is_dead(&bed, &tasks[0])?;
    }
    bed.swarm.start_agents(NODES)?;
    bed.swarm.await_mesh()?;
    bed.await_known(NODES, "web", tasks.len())?;
    for to in bed.everywhere(PORT) {
        assert_eq!(meet::<TcpSession>(bed.client(), to)?, names(&tasks), "TCP, {to}");
        assert_eq!(meet::<UdpSession>(bed.client(), to)?, names(&tasks), "UDP, {to}");
    }
    let ns = bed.swarm.task_ns(&tasks[0])?;
    await_answer(&ns, SocketAddrV4::new(bed.vip(&ns, "web")?, 80))
}

fn ports_are_refused(bed: &Bed) -> Result<()> {
    let own = SocketAddrV4::new(Ipv4Addr::LOCALHOST, PORT);
    for node in NODES {
        for (ns, to) in [(bed.client(), bed.at(node, PORT)), (bed.node(node), own)] {
            let outcome = dial(ns, to, 0, AMPLE)?;
            let refused = std::io::ErrorKind::ConnectionRefused;
            ensure!(outcome.as_ref().is_err_and(|error| error.kind() == refused), "{outcome:?}");
        }
    }
    Ok(())
}

/// Docker tells the virtual IP's address by name, and nobody has it.
fn vip_is_dead(bed: &Bed, task: &SwarmTask) -> Result<()> {
    let ns = bed.swarm.task_ns(task)?;
    let to = SocketAddrV4::new(bed.vip(&ns, "web")?, 80);
    let outcome = dial(&ns, to, 0, SHORT)?;
    ensure!(outcome.is_err(), "{to} answers");
    Ok(())
}
