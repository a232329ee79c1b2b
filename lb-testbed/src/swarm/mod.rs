//! A real Docker Swarm: the nodes of a [`Cluster`] with a Docker Engine each, joined with Docker's own
//! commands. Images are made here from the test-bed's servers, so that no registry is needed.
//!
//! [`engine`] starts and ends the engines, [`image`] makes what their containers run, [`service`] and
//! [`task`] create services and find their tasks, [`agent`] starts swarmlb beside the engines,
//! [`remains`] finds and removes what engines leave on the machine when they are killed.

mod agent;
mod api;
mod engine;
mod image;
pub(crate) mod remains;
mod service;
mod snapshot;
mod task;

use std::{
    fs,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{builder::ClusterBuilder, cluster::Cluster, topology::Host, wait::eventually};

pub use engine::Engine;
pub use task::SwarmTask;

/// How long anything that Docker does may take on a busy machine.
pub(crate) const DOCKER_LIMIT: Duration = Duration::from_secs(90);

/// A Swarm under way. Dropping it, also in a panic, removes engines, containers, and all they left.
#[derive(Debug)]
pub struct Swarm {
    cluster: Cluster,
    engines: Mutex<Vec<Engine>>,
    managers: usize,
}

impl Swarm {
    /// Makes the nodes of `builder` a Swarm: the first `managers` of them manage it, the others work.
    /// All are ready when this returns, and have the image `whoami`.
    ///
    /// # Errors
    /// Not root, Docker is missing, or an engine does not start; the message shows its log.
    pub fn up(builder: ClusterBuilder, managers: usize) -> Result<Self> {
        let cluster = builder.build()?;
        let swarm = Self { cluster, engines: Mutex::default(), managers };
        swarm.start_engines()?;
        let images = || swarm.add_image("whoami", &["whoami"], &["--port=80"]);
        thread::scope(|scope| {
            let images = scope.spawn(images);
            swarm.join_all()?;
            images.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        Ok(swarm)
    }

    /// The wires, clients and processes.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Names of the nodes, which are their hostnames too; managers first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.cluster.nodes().iter().map(|node| node.name.as_str())
    }

    /// The engine of a node.
    ///
    /// # Panics
    /// There is no such node.
    #[must_use]
    pub fn engine(&self, node: &str) -> Engine {
        let engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        let found = engines.iter().find(|engine| engine.node == node).cloned();
        found.unwrap_or_else(|| panic!("no engine on {node}"))
    }

    fn start_engines(&self) -> Result<()> {
        let start = |node: &Host| Engine::start(&self.cluster, &node.name);
        let engines: Vec<Engine> = self.cluster.nodes().iter().map(start).collect::<Result<_>>()?;
        engines.iter().try_for_each(Engine::await_answer)?;
        *self.engines.lock().unwrap_or_else(PoisonError::into_inner) = engines;
        Ok(())
    }

    /// Starts a node's engine again after its end.
    ///
    /// # Errors
    /// It does not start; the message shows its log.
    pub fn restart_engine(&self, node: &str) -> Result<()> {
        let engine = Engine::start(&self.cluster, node)?;
        engine.await_answer()?;
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        engines.retain(|other| other.node != node);
        engines.push(engine);
        Ok(())
    }

    /// Makes a Swarm of the first node and has the others join it, all at once.
    fn join_all(&self) -> Result<()> {
        let (first, others) = self.cluster.nodes().split_first().context("no node")?;
        let first_address = first.address;
        self.docker(&first.name, &format!("swarm init {}", addresses(first)))?;
        let token = |role| self.docker(&first.name, &format!("swarm join-token -q {role}"));
        let worker = token("worker")?;
        let manager = if self.managers > 1 { token("manager")? } else { String::new() };
        let join = |(at, node): (usize, &Host)| {
            let token = if at + 1 < self.managers { &manager } else { &worker }.trim();
            let line = format!("swarm join --token {token} {} {first_address}", addresses(node));
            self.docker(&node.name, &line).map(drop)
        };
        thread::scope(|scope| {
            let joins: Vec<_> =
                others.iter().enumerate().map(|it| scope.spawn(move || join(it))).collect();
            let ended = |join: thread::ScopedJoinHandle<'_, Result<()>>| {
                join.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            joins.into_iter().try_for_each(ended)
        })?;
        eventually(DOCKER_LIMIT, "all nodes of the Swarm to be ready", || {
            self.ready_nodes().is_ok_and(|ready| ready == others.len() + 1)
        })?;
        self.cluster.nodes().iter().try_for_each(|node| {
            let what = format!("the ingress network on {}", node.name);
            eventually(DOCKER_LIMIT, &what, || self.is_seated(&node.name))
        })
    }

    /// Whether a node has its seat in the ingress network, and with it the bridge of gateway legs: the
    /// managers see it ready before.
    fn is_seated(&self, node: &str) -> bool {
        let has_seat = |network: &str| {
            let network = self.api(node, &format!("/networks/{network}"));
            network.is_ok_and(|network| network["Containers"].get("ingress-sbox").is_some())
        };
        has_seat("ingress") && has_seat("docker_gwbridge")
    }

    /// How many nodes the first manager sees ready.
    fn ready_nodes(&self) -> Result<usize> {
        let nodes = self.api("n1", "/nodes")?;
        let nodes = nodes.as_array().context("no list of nodes")?;
        Ok(nodes.iter().filter(|node| node["Status"]["State"] == "ready").count())
    }

    /// Runs a docker command (words separated by blanks) against a node's engine and returns what it
    /// prints.
    ///
    /// # Errors
    /// It fails; the message shows what it said.
    pub fn docker(&self, node: &str, line: &str) -> Result<String> {
        let socket = engine::socket(&self.cluster, node);
        // No configuration of the user who runs this: a context or a credential of theirs would count.
        let config = self.cluster.dir().join("docker-config");
        fs::create_dir_all(&config)?;
        let line = format!("docker --config {} -H {socket} {line}", config.display());
        self.cluster.sh_in(&self.cluster.node(node).ns, &line)
    }
}

fn addresses(node: &Host) -> String {
    let address = node.address;
    format!("--advertise-addr {address} --listen-addr {address}:2377")
}
