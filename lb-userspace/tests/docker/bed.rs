//! A Swarm with agents, and what its services answer to whom.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use anyhow::{Context as _, Result};
use lb_testbed::{Cluster, Ns, Session, Swarm, SwarmTask, TcpSession, eventually, eventually_some};
use serde_json::Value;

/// How long anything awaited may take on a busy machine.
pub(super) const AMPLE: Duration = Duration::from_secs(60);
/// How long a connection that leads nowhere is tried.
pub(super) const SHORT: Duration = Duration::from_secs(1);
/// Enough flows that each of three tasks gets one but once in 10^8 runs.
pub(super) const FLOWS: u16 = 48;
/// The nodes; the first is the manager.
pub(super) const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// A Swarm of three nodes and two clients outside.
#[derive(Debug)]
pub(super) struct Bed {
    pub(super) swarm: Swarm,
}

impl Bed {
    /// One with agents on all nodes, which all tests share that run at the same time: they make
    /// services, networks and ports of their own and leave the rest alone.
    pub(super) fn shared() -> Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Bed>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bed) = shared.upgrade() {
            return Ok(bed);
        }
        let bed = Arc::new(Self::with_agents()?);
        *shared = Arc::downgrade(&bed);
        Ok(bed)
    }

    /// One with agents on all nodes.
    pub(super) fn with_agents() -> Result<Self> {
        let bed = Self::without_agents()?;
        bed.swarm.start_agents(NODES)?;
        bed.swarm.await_mesh()?;
        Ok(bed)
    }

    /// One as Docker makes it.
    pub(super) fn without_agents() -> Result<Self> {
        let swarmlb = env!("CARGO_BIN_EXE_swarmlb");
        let builder = Cluster::builder().nodes(3).clients(2).swarmlb(swarmlb);
        Ok(Self { swarm: Swarm::up(builder, 1)? })
    }

    /// Creates a service and waits until its tasks run and all nodes know them.
    pub(super) fn service(&self, name: &str, words: &str) -> Result<Vec<SwarmTask>> {
        let tasks = self.swarm.create_service(name, words)?;
        self.await_known(NODES, name, tasks.len())?;
        Ok(tasks)
    }

    /// Waits until each of the nodes sends new flows to that many tasks of a service, and to no other.
    pub(super) fn await_known<'a>(
        &self,
        nodes: impl IntoIterator<Item = &'a str>,
        service: &str,
        tasks: usize,
    ) -> Result<()> {
        nodes.into_iter().try_for_each(|node| {
            let known = || self.known(node, service).is_ok_and(|known| known == tasks);
            eventually(AMPLE, &format!("{tasks} tasks of {service} on {node}"), known)
                .with_context(|| self.swarm.swarmlb(node, "service ls").unwrap_or_default())
        })
    }

    /// How many tasks of a service a node sends new flows to.
    pub(super) fn known(&self, node: &str, service: &str) -> Result<usize> {
        let list = self.json(node, &format!("service ps {service}"))?;
        let tasks = list["tasks"].as_array().context("no list of tasks")?;
        let chosen =
            |task: &&Value| task["share_percent"].as_f64().is_some_and(|share| share > 0.0);
        Ok(tasks.iter().filter(chosen).count())
    }

    /// What `swarmlb` prints of a node.
    pub(super) fn json(&self, node: &str, words: &str) -> Result<Value> {
        let text = self.swarm.swarmlb(node, &format!("{words} --output json"))?;
        serde_json::from_str(&text).with_context(|| format!("{words}: {text}"))
    }

    /// Network namespace of the client outside.
    pub(super) fn client(&self) -> &Ns {
        &self.swarm.cluster().client().ns
    }

    /// Network namespace of a node.
    pub(super) fn node(&self, node: &str) -> &Ns {
        &self.swarm.cluster().node(node).ns
    }

    /// A port of a node's own address.
    pub(super) fn at(&self, node: &str, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.swarm.cluster().address(node), port)
    }

    /// A port of all nodes.
    pub(super) fn everywhere(&self, port: u16) -> [SocketAddrV4; 3] {
        NODES.map(|node| self.at(node, port))
    }

    /// What a name leads to in a task, by Docker's own name server.
    pub(super) fn resolve(&self, ns: &Ns, name: &str) -> Result<BTreeSet<Ipv4Addr>> {
        let line = format!("dig +short +tries=5 @127.0.0.11 {name} A");
        let said = self.swarm.cluster().sh_in(ns, &line)?;
        said.lines().map(|line| line.parse().with_context(|| format!("{name}: {said}"))).collect()
    }

    /// The virtual IP that a name leads to in a task.
    pub(super) fn vip(&self, ns: &Ns, name: &str) -> Result<Ipv4Addr> {
        eventually_some(AMPLE, &format!("one address for {name}"), || {
            let found = self.resolve(ns, name).ok()?;
            found.first().copied().filter(|_| found.len() == 1)
        })
    }
}

/// The names that tasks answer with.
pub(super) fn names(tasks: &[SwarmTask]) -> BTreeSet<String> {
    tasks.iter().map(|task| task.answers_as().to_owned()).collect()
}

/// Waits until a TCP port answers.
pub(super) fn await_answer(ns: &Ns, to: SocketAddrV4) -> Result<()> {
    eventually(AMPLE, &format!("an answer of {to} in {}", ns.name()), || {
        TcpSession::open(ns, to, 0).is_ok()
    })
}

/// [`lb_testbed::meet`] with [`FLOWS`] flows.
pub(super) fn meet<S: Session>(ns: &Ns, to: SocketAddrV4) -> Result<BTreeSet<String>> {
    lb_testbed::meet::<S>(ns, to, FLOWS)
}

/// [`lb_testbed::meet_translated`] with [`FLOWS`] flows.
pub(super) fn meet_translated<S: Session>(ns: &Ns, to: SocketAddrV4) -> Result<BTreeSet<String>> {
    lb_testbed::meet_translated::<S>(ns, to, FLOWS)
}
