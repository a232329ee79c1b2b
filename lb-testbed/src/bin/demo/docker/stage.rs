//! The Swarm that the demo plays on: three Docker Engines, and the example's services by Docker's own
//! commands.

use std::net::SocketAddrV4;

use anyhow::{Context as _, Result};
use lb_testbed::{Cluster, Ns, Swarm, remove};

use crate::story::Story;

/// The overlay network of the example.
pub(crate) const NETWORK: &str = "mongo_network";
/// The service that is known by name only.
pub(crate) const DATABASE: &str = "mongo";
/// The service that clients see.
pub(crate) const FRONT: &str = "mongo-express";
/// Port that clients dial, on every node.
pub(crate) const PUBLISHED: u16 = 80;
/// Replicas of either service at first.
pub(crate) const REPLICAS: usize = 2;
/// The manager.
pub(crate) const MANAGER: &str = "n1";

const PICTURE: &str = "        c1, a client outside                 198.18.0.101
         |
   ------+-------+------------------+-----------------+------   one Ethernet
                 |                  |                 |
                 n1, manager        n2, worker        n3, worker     198.18.0.1, .2, .3
                 dockerd            dockerd           dockerd";

/// The Swarm.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) swarm: Swarm,
}

impl Stage {
    /// Chapter 1: engines and wires.
    pub(crate) fn set(story: &mut Story, keep: bool) -> Result<Self> {
        story.chapter("A real Docker Swarm");
        story.say(
            "Three Docker Engines, unpatched, each in a network namespace of its own as on a machine of\n\
             its own, joined to a Swarm with Docker's own commands. Containers are real; their images\n\
             are made here from small servers that say who they are and who asks, and play mongo, the\n\
             database, and mongo-express, the page that shows it.\n ",
        );
        story.show(PICTURE);
        println!();
        let builder = Cluster::builder().nodes(3).clients(1).keep(keep);
        let up = || Swarm::up(builder, 1);
        let stage = Self { swarm: story.during("starting three engines, init, join", up)? };
        story.during("making the images", || {
            stage.swarm.add_image(DATABASE, &["whoami"], &["--port=27017"])?;
            stage.swarm.add_image(FRONT, &["mongo-express"], &["--log=/dev/stdout"])
        })?;
        stage.docker(story, "node ls")?;
        Ok(stage)
    }

    /// Chapter 2: the well-known example.
    pub(crate) fn create_services(&self, story: &mut Story) -> Result<()> {
        story.chapter("The well-known example");
        story.say("A network, a database that is known by name, a page on port 80 of every node:");
        self.docker(story, &format!("network create --driver overlay {NETWORK}"))?;
        let create = format!("--replicas {REPLICAS} --network {NETWORK}");
        let publish = format!("--publish published={PUBLISHED},target=8081");
        let update = "--update-parallelism 1 --update-monitor 1s";
        for (name, words) in [
            (DATABASE, format!("{create} {DATABASE}")),
            (FRONT, format!("{create} {publish} {update} {FRONT}")),
        ] {
            story.command(&format!("docker service create --name {name} {words}"), "");
            story.during("until its tasks run", || self.swarm.create_service(name, &words))?;
        }
        self.docker(story, "service ls")?;
        self.docker(story, &format!("service ps {FRONT}")).map(drop)
    }

    /// Runs a docker command at the manager and shows it with what it says.
    pub(crate) fn docker(&self, story: &Story, line: &str) -> Result<String> {
        let said = self.swarm.docker(MANAGER, line)?;
        story.command(&format!("docker {line}"), &said);
        Ok(said)
    }

    /// The published port on every node.
    pub(crate) fn targets(&self) -> Vec<SocketAddrV4> {
        let nodes = self.swarm.cluster().nodes().iter();
        nodes.map(|node| SocketAddrV4::new(node.address, PUBLISHED)).collect()
    }

    /// The client's namespace.
    pub(crate) fn client(&self) -> &Ns {
        &self.swarm.cluster().client().ns
    }

    /// The namespace of a replica of the page.
    pub(crate) fn page(&self) -> Result<Ns> {
        let tasks = self.swarm.tasks(FRONT)?;
        self.swarm.task_ns(tasks.first().context("the page has no task")?)
    }

    /// What Docker's name server in a replica of the page says of the database.
    pub(crate) fn vip(&self) -> Result<SocketAddrV4> {
        let line = format!("dig +short @127.0.0.11 {DATABASE} A");
        let said = self.swarm.cluster().sh_in(&self.page()?, &line)?;
        let address = said.trim().parse().with_context(|| format!("{DATABASE} leads to {said}"))?;
        Ok(SocketAddrV4::new(address, 27017))
    }

    /// Removes everything, also what was to be kept.
    pub(crate) fn leave_nothing(self) -> Result<()> {
        let prefix = self.swarm.cluster().prefix().clone();
        drop(self);
        remove(&prefix)
    }
}
