//! The cluster that the demo plays on: nodes, a client, the example's services, agents.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Cluster, ClusterFile, NetworkTable, Ns, Server, ServiceTable, TaskTable, remove};

use crate::story::Story;

/// The overlay network of the example.
pub(crate) const NETWORK: &str = "mongo_network";
/// Its subnet.
const SUBNET: &str = "10.20.0.0/24";
/// Its number on the wire.
pub(crate) const VNI: u32 = 5000;
/// The service that is known by name only.
pub(crate) const DATABASE: &str = "mongo";
/// The port that its tasks listen on.
pub(crate) const DATABASE_PORT: u16 = 27017;
/// The service that clients see.
pub(crate) const FRONT: &str = "mongo-express";
/// Its only task, and the node of that.
pub(crate) const FRONT_TASK: &str = "mongo-express.1";
/// See [`FRONT_TASK`].
pub(crate) const FRONT_NODE: &str = "n1";
/// Port that clients dial, on every node.
pub(crate) const PUBLISHED: u16 = 80;
/// Port that the front-end listens on.
const TARGET: u16 = 8081;

const PICTURE: &str = "        c1, a client outside                 198.18.0.101
         |
   ------+-------+------------------+-----------------+------   one Ethernet
                 |                  |                 |
                 n1                 n2                n3         198.18.0.1, .2, .3
                 |                  |                 |
           mongo-express.1        mongo.1          mongo.2       each in a namespace of its own
                 |                  |                 |
                 +- - - - - - mongo_network - - - - - +          10.20.0.0/24";

/// The cluster with what runs in it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) file: ClusterFile,
    pub(crate) servers: Vec<Server>,
}

impl Stage {
    /// Chapter 1: the wires and the database, without swarmlb.
    pub(crate) fn set(story: &mut Story, keep: bool) -> Result<Self> {
        story.chapter("A web page, the database behind it, and three machines");
        story.say(
            "A cluster is some machines (nodes) that run services for you. A service is a program,\n\
             run as one or more copies (tasks, or replicas) on whatever nodes have room. So nobody\n\
             knows where a task is, and it may move. Service networking is what hides that:\n\
             - an overlay network: tasks reach each other as on one switch, whatever their nodes;\n\
             - a virtual IP (VIP): one address per service, that leads to any of its tasks;\n\
             - names: a task asks for \"mongo\" and gets that address;\n\
             - published ports: clients outside reach a service on any node's address.\n\n\
             The well-known example: mongo-express, a web page, shows what mongo, a database, has.\n ",
        );
        story.show(PICTURE);
        story.say(
            "Here a node is a network namespace with a wire, as a machine in a rack has one; tasks\n\
             are namespaces too, as containers are. Nothing outside of them is touched. mongo is\n\
             played by a server that says its name, mongo-express by one that asks it.\n ",
        );
        let build = || Cluster::builder().nodes(3).clients(1).keep(keep).build();
        let cluster = story.during("making namespaces and wires", build)?;
        let mut stage = Self { file: file(&cluster), cluster, servers: Vec::new() };
        story.during("starting the two tasks of mongo, on n2 and n3", || {
            ["n2", "n3"].into_iter().try_for_each(|node| stage.add_database(node))
        })?;
        Ok(stage)
    }

    /// Chapter 2: the cluster file and the agents.
    pub(crate) fn start_agents(&mut self, story: &mut Story) -> Result<()> {
        story.chapter("One file for all nodes, one agent on each");
        let ns = self.add_task(FRONT, FRONT_NODE)?;
        self.cluster.write_config(&self.file.to_string())?;
        story.say("All that is to be known about the cluster:");
        let path = self.cluster.config_path();
        story.command(&format!("cat {}", path.display()), &fs::read_to_string(&path)?);
        story.say(
            "Each agent loads the same small programs into its node's kernel (BPF; the kernel proves\n\
             first that they are safe), attaches them to the network cards and to the tasks, and\n\
             fills their tables from this file. From then on the kernel forwards by itself.\n ",
        );
        story.during("starting three agents", || self.cluster.start_agents())?;
        let server =
            story.during("starting mongo-express, which knows the name mongo only", || {
                self.cluster.await_names(&ns)?;
                self.cluster.start_mongo_express(FRONT_TASK, &ns)
            })?;
        self.servers.push(server);
        Ok(())
    }

    /// A new task of the database on a node: a namespace with a server in it. The agents are not
    /// told yet.
    pub(crate) fn add_database(&mut self, node: &str) -> Result<()> {
        let ns = self.add_task(DATABASE, node)?;
        let task = self.file.service_mut(DATABASE).tasks.last().context("no task")?;
        let server = self.cluster.start_whoami(&task.name, &ns, &[DATABASE_PORT])?;
        self.servers.push(server);
        Ok(())
    }

    /// A namespace for the next task of a service, and its table in the file.
    fn add_task(&mut self, service: &str, node: &str) -> Result<Ns> {
        let tasks = &mut self.file.service_mut(service).tasks;
        let name = format!("{service}.{}", tasks.len() + 1);
        let ns = self.cluster.task_ns(&name.replace('.', "-"))?;
        tasks.push(TaskTable::new(&name, node, &ns));
        Ok(ns)
    }

    /// The published port on every node.
    pub(crate) fn targets(&self) -> Vec<SocketAddrV4> {
        let nodes = self.cluster.nodes().iter();
        nodes.map(|node| SocketAddrV4::new(node.address, PUBLISHED)).collect()
    }

    /// The servers of the database.
    pub(crate) fn databases(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(|server| server.name != FRONT_TASK)
    }

    /// The server of that name.
    pub(crate) fn server(&self, task: &str) -> Result<&Server> {
        let server = self.servers.iter().find(|server| server.name == task);
        server.with_context(|| format!("there is no task {task}"))
    }

    /// The namespace of mongo-express.
    pub(crate) fn front(&self) -> Result<&Ns> {
        Ok(&self.server(FRONT_TASK)?.ns)
    }

    /// All addresses that a name has inside mongo-express, by the system's resolver.
    pub(crate) fn resolve(&self, name: &str) -> Result<Vec<Ipv4Addr>> {
        let lines = self.cluster.sh_in(self.front()?, &format!("getent ahostsv4 {name}"))?;
        let stream = lines.lines().filter(|line| line.contains("STREAM"));
        let address = |line: &str| Ok(line.split_whitespace().next().unwrap_or("").parse()?);
        stream.map(address).collect()
    }

    /// The database's virtual IP with its port.
    pub(crate) fn vip(&self) -> Result<SocketAddrV4> {
        let found = self.resolve(DATABASE)?;
        let vip = found.first().context("the name mongo leads nowhere")?;
        Ok(SocketAddrV4::new(*vip, DATABASE_PORT))
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

    /// Shows what `swarmlb` says of a node.
    pub(crate) fn show(&self, story: &Story, node: &str, verb: &[&str]) -> Result<String> {
        let said = self.swarmlb(node, verb)?;
        story.command(&format!("swarmlb {}        # on {node}", verb.join(" ")), &said);
        Ok(said)
    }

    /// Runs a command line inside mongo-express and shows it with what it says.
    pub(crate) fn inside(&self, story: &Story, line: &str) -> Result<String> {
        let said = self.cluster.sh_in(self.front()?, line)?;
        story.command(&format!("{line}        # in {FRONT_TASK}"), &said);
        Ok(said)
    }

    /// Removes everything, also what was to be kept.
    pub(crate) fn leave_nothing(self) -> Result<()> {
        let prefix = self.cluster.prefix().clone();
        drop(self);
        remove(&prefix)
    }
}

/// The cluster file without tasks. New connections go to the tasks in turn, as Swarm does it.
fn file(cluster: &Cluster) -> ClusterFile {
    let database = ServiceTable::new(DATABASE).network(NETWORK).key("scheduler", "\"rr\"");
    let front = ServiceTable::new(FRONT).network(NETWORK).publish(PUBLISHED, TARGET, "tcp");
    ClusterFile::new(cluster)
        .network(NetworkTable::new(NETWORK).subnet(SUBNET, VNI))
        .service(front)
        .service(database)
}
