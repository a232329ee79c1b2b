//! A node of the Swarm without an agent: its tasks are reached through Docker's own ingress network. Agents
//! come and go there, and flows go on the way they have as long as that is open.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Result, ensure};
use lb_testbed::{
    Bulk, Direction, Load, Session, Sessions, SwarmTask, TcpSession, UdpSession, eventually,
};

use super::bed::{AMPLE, Bed, NODES, await_answer, meet, meet_translated, names};

/// Enough flows that one of two tasks gets none but once in a million runs.
const SESSIONS: usize = 20;
/// Several large segments at a time, in windows of many.
const BULK_BYTES: u64 = 4 << 20;

/// Requests per second while the agent starts.
const PER_S: f64 = 500.0;
/// Answers to wait for before and after that.
const AROUND: u64 = 500;

#[test]
fn tasks_on_a_node_without_agent_are_reached_and_later_see_the_client() -> Result<()> {
    let bed = Bed::without_agents()?;
    bed.swarm.start_agents(["n1", "n2"])?;
    let words = "--replicas 2 --replicas-max-per-node 1 --constraint node.hostname!=n1 \
                 --publish published=8080,target=80 \
                 --publish published=8080,target=80,protocol=udp whoami";
    let tasks = bed.swarm.create_service("web", words)?;
    bed.await_known(["n1", "n2"], "web", 2)?;
    for node in ["n1", "n2"] {
        let to = bed.at(node, 8080);
        await_answer(bed.client(), to)?;
        assert_eq!(meet_translated::<TcpSession>(bed.client(), to)?, names(&tasks), "TCP, {node}");
        assert_eq!(meet_translated::<UdpSession>(bed.client(), to)?, names(&tasks), "UDP, {node}");
    }
    let to = bed.at("n1", 8080);
    move_much(&bed, to)?;
    let nodes = bed.swarm.swarmlb("n1", "node ls")?;
    ensure!(nodes.contains("ingress"), "node ls does not tell how n3 is reached:\n{nodes}");
    let mut before = Flows::open(&bed, to)?;
    ensure!(before.translated() > 1, "no flow went through Docker's network");
    let load = Load::new(bed.client(), bed.everywhere(8080)[..2].iter().copied());
    let load = load.per_second(PER_S).start()?;
    load.wait_more_ok(AROUND, AMPLE)?;
    bed.swarm.start_agent("n3")?;
    bed.await_known(NODES, "web", 2)?;
    for node in NODES {
        let to = bed.at(node, 8080);
        eventually(AMPLE, &format!("all tasks to see the client, by {node}"), || sees(&bed, to))?;
    }
    load.wait_more_ok(AROUND, AMPLE)?;
    let report = load.stop()?;
    ensure!(report.failed == 0 && report.by_task.len() == 2, "an agent starts: {report}");
    for node in NODES {
        let to = bed.at(node, 8080);
        assert_eq!(meet::<TcpSession>(bed.client(), to)?, names(&tasks), "TCP, {node}");
        assert_eq!(meet::<UdpSession>(bed.client(), to)?, names(&tasks), "UDP, {node}");
    }
    before.go_on("the agent came")?;
    let mut carried = Flows::open(&bed, to)?;
    assert_eq!(carried.translated(), 0);

    bed.swarm.cluster().stop_agent("n3")?;
    bed.swarm.swarmlb("n3", "detach")?;
    let through_docker = || Flows::open(&bed, to).is_ok_and(|flows| flows.translated() > 0);
    eventually(AMPLE, "n1 to go through Docker's network again", through_docker)?;
    before.go_on("the agent left")?;
    assert_eq!(meet_translated::<TcpSession>(bed.client(), to)?, names(&tasks));
    let left = tasks.iter().find(|task| task.node == "n3").map_or("", SwarmTask::answers_as);
    let ended = carried.tcp.ping_all();
    assert_eq!(ended.len() as u64, carried.tcp_of(left), "what the mesh carried to n3: {ended:?}");
    by_own_processes(&bed, &tasks)
}

/// Kept connections and UDP flows to one address.
struct Flows {
    tcp: Sessions<TcpSession>,
    udp: Sessions<UdpSession>,
}

impl Flows {
    fn open(bed: &Bed, to: SocketAddrV4) -> Result<Self> {
        let tcp = Sessions::open(bed.client(), &[to], SESSIONS)?;
        Ok(Self { tcp, udp: Sessions::open(bed.client(), &[to], SESSIONS)? })
    }

    /// How many of them hide the client.
    fn translated(&self) -> usize {
        self.tcp.0.iter().filter(|flow| is_translated(*flow)).count()
            + self.udp.0.iter().filter(|flow| is_translated(*flow)).count()
    }

    /// How many connections a task has.
    fn tcp_of(&self, task: &str) -> u64 {
        self.tcp.by_task().get(task).copied().unwrap_or_default()
    }

    fn go_on(&mut self, since: &str) -> Result<()> {
        let failed = [self.tcp.ping_all(), self.udp.ping_all()].concat();
        ensure!(failed.is_empty(), "flows ended when {since}:\n{}", failed.join("\n"));
        Ok(())
    }
}

fn is_translated(flow: &impl Session) -> bool {
    flow.first().peer != Some(flow.local())
}

/// The node's own processes reach all tasks, too.
fn by_own_processes(bed: &Bed, tasks: &[SwarmTask]) -> Result<()> {
    let here = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080);
    for to in [here, bed.at("n1", 8080)] {
        assert_eq!(meet_translated::<TcpSession>(bed.node("n1"), to)?, names(tasks), "TCP, {to}");
        assert_eq!(meet_translated::<UdpSession>(bed.node("n1"), to)?, names(tasks), "UDP, {to}");
    }
    for direction in [Direction::Download, Direction::Upload].repeat(4) {
        Bulk::run(bed.node("n1"), here, direction, BULK_BYTES)?;
    }
    Ok(())
}

/// Large transfers both ways, enough of them that both tasks get some.
fn move_much(bed: &Bed, to: SocketAddrV4) -> Result<()> {
    for direction in [Direction::Download, Direction::Upload].repeat(6) {
        Bulk::run(bed.client(), to, direction, BULK_BYTES)?;
    }
    Ok(())
}

/// Whether whoever answers sees the client itself, many times over.
fn sees(bed: &Bed, to: SocketAddrV4) -> bool {
    let flows = Sessions::<TcpSession>::open(bed.client(), &[to], SESSIONS);
    flows.is_ok_and(|flows| !flows.0.iter().any(is_translated))
}
