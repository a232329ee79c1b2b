//! Schedulers: which task a client meets. All client ports are chosen and the hash is keyed by the
//! cluster file, so the counts are the same in each run; those of a node's own processes alone differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    ops::Range,
    thread,
};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{
    Answer, DIAL_LIMIT, Ns, Session as _, Sessions, TcpSession, UdpSession, chi_squared, in_ns,
};

use super::bed::{Bed, PUBLISHED, service, web};

/// Client ports of the 10 000 flows.
pub(crate) const PORTS: Range<u16> = 20_000..30_000;
/// Sockets open at a time.
const BATCH: usize = 100;

/// Answers by task.
pub(crate) type Counts = BTreeMap<String, u64>;

#[test]
fn ten_thousand_connections_spread_by_weight() -> Result<()> {
    let bed = Bed::new(&[web(&["n1", "n2", "n3"]).weights(&[1, 2, 3])])?;
    let to = bed.at("n1", PUBLISHED);
    let counts = connect_all(bed.client(), to)?;
    is_spread(&counts, &[1.0, 2.0, 3.0])
}

#[test]
fn ten_thousand_udp_flows_spread_evenly() -> Result<()> {
    let bed = Bed::new(&[web(&["n1", "n2", "n3"])])?;
    let from = bed.cluster.client().address;
    let flows: Vec<_> = PORTS.map(|port| SocketAddrV4::new(from, port)).collect();
    is_spread(&count(ask_from(bed.client(), &flows, bed.at("n2", PUBLISHED))?), &[1.0; 3])
}

#[test]
fn round_robin_takes_turns() -> Result<()> {
    let bed = Bed::new(&[with("scheduler = \"rr\"")])?;
    let to = bed.at("n3", PUBLISHED);
    let met = in_ns(bed.client(), || -> Result<Vec<String>> {
        (0..30).map(|_| Ok(TcpSession::open_here(to, 0)?.first().task_name().to_owned())).collect()
    })??;
    takes_turns(&met)?;
    let from = bed.cluster.client().address;
    let ends: Vec<_> = (20_000..20_030).map(|port| SocketAddrV4::new(from, port)).collect();
    let met =
        ends.chunks(1).map(|end| ask_from(bed.client(), end, to)).collect::<Result<Vec<_>>>()?;
    takes_turns(&met.concat())
}

/// Whoever comes first, each round of three is the same.
pub(crate) fn takes_turns(met: &[String]) -> Result<()> {
    let round: BTreeSet<_> = met[..3].iter().collect();
    ensure!(round.len() == 3, "{met:?}");
    ensure!(met.chunks(3).all(|next| next == &met[..3]), "{met:?}");
    Ok(())
}

/// What a node's process sends to another node's task is balanced once more when it enters there. So a
/// task of the node itself, whose weight is a sixth, gets that of all and that of the rest.
#[test]
fn own_processes_meet_every_task_and_prefer_those_of_their_node() -> Result<()> {
    let bed = Bed::new(&[web(&["n1", "n2", "n3"]).weights(&[1, 2, 3])])?;
    let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, PUBLISHED);
    let spread = || {
        let flows = Sessions::<UdpSession>::open(bed.node("n1"), &[to], 600)?;
        is_spread(&flows.by_task(), &[6.0 + 5.0, 5.0 * 2.0, 5.0 * 3.0])
    };
    // Sockets are chosen by the kernel here: a fair spread looks unfair once in 1000 times.
    spread().or_else(|_| spread())
}

#[test]
fn source_keeps_a_client_with_one_task() -> Result<()> {
    one_task_a_client("scheduler = \"source\"")
}

#[test]
fn affinity_keeps_a_client_with_one_task() -> Result<()> {
    one_task_a_client("affinity = \"client-ip\"")
}

/// One client meets one task, whatever its ports and whichever node it dials; many clients meet all.
fn one_task_a_client(option: &str) -> Result<()> {
    let bed = Bed::new(&[with(option)])?;
    let nodes = ["n1", "n2", "n3"].map(|node| bed.at(node, PUBLISHED));
    let own = bed.cluster.client().address;
    let mut tcp = BTreeSet::new();
    let mut udp = BTreeSet::new();
    for (to, first) in nodes.into_iter().zip((20_000..).step_by(100)) {
        tcp.extend(super::bed::meet::<TcpSession>(bed.client(), to, 16)?);
        // Other ports at each node: a port that dials two nodes is seen as another one.
        let flows: Vec<_> = (first..first + 16).map(|at| SocketAddrV4::new(own, at)).collect();
        udp.extend(count(ask_from(bed.client(), &flows, to)?).into_keys());
    }
    ensure!(tcp.len() == 1 && udp.len() == 1, "TCP {tcp:?}, UDP {udp:?}");
    let others = addresses(&bed)?;
    let counts = count(ask_from(bed.client(), &others, nodes[0])?);
    is_spread(&counts, &[1.0; 3])
}

/// 120 more addresses of the client.
fn addresses(bed: &Bed) -> Result<Vec<SocketAddrV4>> {
    bed.cluster.sh_in(bed.client(), "ip route add local 198.18.0.128/25 dev lo")?;
    let more = (130..250).map(|host| Ipv4Addr::new(198, 18, 0, host));
    Ok(more.map(|address| SocketAddrV4::new(address, 20_000)).collect())
}

fn with(option: &str) -> super::bed::Service {
    service("web", option, &["n1", "n2", "n3"])
        .publish(&[(PUBLISHED, 8080, "tcp", "ingress"), (PUBLISHED, 8080, "udp", "ingress")])
}

/// Connects from each of [`PORTS`] and asks who is there, two at a time.
pub(crate) fn connect_all(ns: &Ns, to: SocketAddrV4) -> Result<Counts> {
    let half = PORTS.start + (PORTS.end - PORTS.start) / 2;
    let connect = |ports: Range<u16>| {
        in_ns(ns, || -> Result<Vec<String>> {
            let mut met = Vec::with_capacity(ports.len());
            for port in ports {
                let flow = TcpSession::open_here(to, port)?;
                ensure!(flow.first().peer == Some(flow.local()), "{:?}", flow.first());
                met.push(flow.first().task_name().to_owned());
            }
            Ok(met)
        })?
    };
    thread::scope(|scope| {
        let halves = [PORTS.start..half, half..PORTS.end];
        let clients = halves.map(|ports| scope.spawn(|| connect(ports)));
        let joined = clients.map(|client| client.join().expect("a client died"));
        Ok(count(joined.into_iter().collect::<Result<Vec<_>>>()?.concat()))
    })
}

/// Sends a datagram from each of the ends and returns who answered each.
pub(crate) fn ask_from(ns: &Ns, ends: &[SocketAddrV4], to: SocketAddrV4) -> Result<Vec<String>> {
    in_ns(ns, || {
        let batches = ends.chunks(BATCH).map(|batch| ask_batch(batch, to));
        Ok(batches.collect::<Result<Vec<_>>>()?.concat())
    })?
}

fn ask_batch(ends: &[SocketAddrV4], to: SocketAddrV4) -> Result<Vec<String>> {
    let ask = |end: &SocketAddrV4| -> Result<UdpSocket> {
        let socket = UdpSocket::bind(end)?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(DIAL_LIMIT))?;
        socket.send(b"who are you?")?;
        Ok(socket)
    };
    let sockets = ends.iter().map(ask).collect::<Result<Vec<_>>>()?;
    let hear = |(socket, end): (UdpSocket, &SocketAddrV4)| {
        let mut text = [0; 256];
        let len = socket.recv(&mut text).with_context(|| format!("{end} -> {to}"))?;
        let answer = Answer::parse(&String::from_utf8_lossy(&text[..len]));
        ensure!(answer.peer == Some(*end), "{end}: {answer:?}");
        Ok(answer.task_name().to_owned())
    };
    sockets.into_iter().zip(ends).map(hear).collect()
}

/// How many of each.
pub(crate) fn count(tasks: Vec<String>) -> Counts {
    let mut counts = Counts::new();
    tasks.into_iter().for_each(|task| *counts.entry(task).or_default() += 1);
    counts
}

/// Insists on counts that follow the weights of the tasks, in the order of their names.
pub(crate) fn is_spread(counts: &Counts, weights: &[f64]) -> Result<()> {
    ensure!(counts.len() == weights.len(), "{counts:?}");
    let observed: Vec<u64> = counts.values().copied().collect();
    let spread = chi_squared(&observed, weights);
    ensure!(spread.is_plausible(), "{counts:?}: {spread:?}");
    Ok(())
}
