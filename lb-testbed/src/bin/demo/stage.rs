//! The cluster that the demo plays on: nodes, a client, servers in their tasks, agents.

use std::{fs, net::SocketAddrV4, process::Command};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Cluster, Server, remove};

use crate::{
    cluster_file::{self, Member, PUBLISHED, SERVICE, TARGET},
    story::Story,
};

const PICTURE: &str = "\
        c1, a client outside            198.18.0.101
         |
   ------+-------+---------------+------   one Ethernet, MTU 1500
         |       |               |
         n1      n2              n3        198.18.0.1, .2, .3
         |       |
       web.1   web.2, web.3                HTTP servers, each in a namespace of its own";

/// The cluster with what runs in it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) members: Vec<Member>,
    pub(crate) servers: Vec<Server>,
}

impl Stage {
    /// Chapter 1: the wires and the servers, without swarmlb.
    pub(crate) fn set(story: &mut Story, keep: bool) -> Result<Self> {
        story.chapter("Three nodes, a client, and a service with three replicas");
        story.say(
            "Each node is a network namespace with a wire to the others, as a machine in a rack\n\
             would be. Nothing outside these namespaces is touched.\n ",
        );
        story.show(PICTURE);
        println!();
        let build = || Cluster::builder().nodes(3).clients(1).keep(keep).build();
        let cluster = story.during("making namespaces and wires", build)?;
        let mut stage = Self { cluster, members: Vec::new(), servers: Vec::new() };
        story.during("starting the servers", || {
            ["n1", "n2", "n2"].into_iter().try_for_each(|node| stage.add_task(node))
        })?;
        Ok(stage)
    }

    /// Chapter 2: the cluster file and the agents.
    pub(crate) fn start_agents(&self, story: &mut Story) -> Result<()> {
        story.chapter("One file for all nodes, one agent on each");
        self.cluster.write_config(&self.file())?;
        story.say("All that is to be known about the cluster:");
        let path = self.cluster.config_path();
        story.command(&format!("cat {}", path.display()), &fs::read_to_string(&path)?);
        story.say(
            "Each agent loads the same BPF programs, which the kernel's verifier proves safe, pins\n\
             them, and fills their tables from this file.\n ",
        );
        story.during("starting three agents", || self.cluster.start_agents())?;
        let status = self.swarmlb("n1", &["service", "ps", SERVICE])?;
        story.command("swarmlb service ps web        # on n1", &status);
        Ok(())
    }

    /// A new task on a node: a namespace with a server in it. The cluster file is left to the
    /// caller.
    pub(crate) fn add_task(&mut self, node: &str) -> Result<()> {
        let task = format!("{SERVICE}.{}", self.members.len() + 1);
        let ns = self.cluster.task_ns(&task.replace('.', "-"))?;
        self.servers.push(self.cluster.start_whoami(&task, &ns, &[TARGET])?);
        let netns = ns.name().to_owned();
        self.members.push(Member { task, node: node.into(), netns, weight: 1 });
        Ok(())
    }

    /// The cluster file as the members are now.
    pub(crate) fn file(&self) -> String {
        cluster_file::text(&self.cluster.node_tables(), &self.members)
    }

    /// The published port on every node.
    pub(crate) fn targets(&self) -> Vec<SocketAddrV4> {
        let nodes = self.cluster.nodes().iter();
        nodes.map(|node| SocketAddrV4::new(node.address, PUBLISHED)).collect()
    }

    /// The task of that name.
    pub(crate) fn server(&self, task: &str) -> Result<&Server> {
        let server = self.servers.iter().find(|server| server.name == task);
        server.with_context(|| format!("there is no task {task}"))
    }

    /// `swarmlb` with the options that a node's data plane on this machine needs.
    pub(crate) fn swarmlb_command(&self, node: &str, verb: &[&str]) -> Result<Command> {
        let mut command = self.cluster.swarmlb_command()?;
        command.args(verb).arg("--pin-root").arg(self.cluster.pin_root(node));
        command.arg("--state-dir").arg(self.cluster.dir().join(format!("state-{node}")));
        Ok(command)
    }

    /// What `swarmlb` says of a node.
    pub(crate) fn swarmlb(&self, node: &str, verb: &[&str]) -> Result<String> {
        let output = self.swarmlb_command(node, verb)?.output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "swarmlb {} failed: {error}", verb.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Removes everything, also what was to be kept.
    pub(crate) fn leave_nothing(self) -> Result<()> {
        let prefix = self.cluster.prefix().clone();
        drop(self);
        remove(&prefix)
    }
}
