//! A `whoami` or `mongo-express` server as a process of its own in a task's namespace.

use std::{fs, net::SocketAddrV4, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result};

use crate::{cluster::Cluster, netns::Ns, process::Process, wait::eventually};

/// How long a server may take to bind its ports, or to finish when asked to end.
const SERVER_LIMIT: Duration = Duration::from_secs(60);

/// How long an agent may take to attach a task and to write its resolver configuration.
const NAMES_LIMIT: Duration = Duration::from_secs(60);

/// A running server. It ends with its cluster.
#[derive(Clone, Debug)]
pub struct Server {
    /// Name in its answers.
    pub name: String,
    /// Where it runs.
    pub ns: Ns,
    /// Its process.
    pub process: Process,
    log: PathBuf,
}

/// A connection or datagram as a server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Address at the server.
    pub local: SocketAddrV4,
    /// Address of the client.
    pub peer: SocketAddrV4,
}

impl Cluster {
    /// Starts a `whoami` server called `name` in `ns` on `ports`, TCP and UDP, and waits until it
    /// listens.
    ///
    /// # Errors
    /// The `testbed` binary was not found, or a port is taken.
    pub fn start_whoami(&self, name: &str, ns: &Ns, ports: &[u16]) -> Result<Server> {
        let mut command = self.testbed_command()?;
        command.arg("whoami").args(ports.iter().map(|port| format!("--port={port}")));
        self.start_server(name, ns, command)
    }

    /// Starts a `mongo-express` called `name` in `ns` on port 8081, which asks `mongo:27017` for each
    /// request, and waits until it listens. It sees the resolver configuration that its namespace
    /// has by then: see [`Self::await_names`].
    ///
    /// # Errors
    /// As [`Self::start_whoami`].
    pub fn start_mongo_express(&self, name: &str, ns: &Ns) -> Result<Server> {
        let mut command = self.testbed_command()?;
        command.arg("mongo-express");
        self.start_server(name, ns, command)
    }

    /// Waits until an agent has written the resolver configuration of a namespace, which only
    /// processes that start later can see.
    ///
    /// # Errors
    /// None does.
    pub fn await_names(&self, ns: &Ns) -> Result<()> {
        let file = ns.resolv_conf();
        eventually(NAMES_LIMIT, &format!("{}", file.display()), || file.is_file())
    }

    fn start_server(&self, name: &str, ns: &Ns, mut command: Command) -> Result<Server> {
        let log = self.dir().join(format!("peers-{}-{name}", ns.name()));
        command.args(["--name", name]).arg("--log").arg(&log);
        let process = self.spawn_in(ns, command)?;
        process.wait_line(0, SERVER_LIMIT, |line| (line == "ready").then_some(()))?;
        Ok(Server { name: name.to_owned(), ns: ns.clone(), process, log })
    }

    /// A command that starts with the `testbed` binary.
    ///
    /// # Errors
    /// The binary was not found.
    pub fn testbed_command(&self) -> Result<Command> {
        let binary = self.binaries.testbed.as_deref();
        let fix = "no testbed binary: run `cargo build -p lb-testbed` or set TESTBED_BIN";
        binary.filter(|path| path.is_file()).map(Command::new).context(fix)
    }
}

impl Server {
    /// Every connection and datagram so far, oldest first.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn seen(&self) -> Result<Vec<Seen>> {
        let text = fs::read_to_string(&self.log).context("cannot read the server's log")?;
        Ok(text.lines().filter_map(parse_seen).collect())
    }

    /// Kills it: its kernel resets what is open.
    ///
    /// # Errors
    /// It does not end.
    pub fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// Asks it to end, which closes its ports at once, and waits until it has finished what it
    /// accepted.
    ///
    /// # Errors
    /// It does not end within ten seconds.
    pub fn terminate(&self) -> Result<()> {
        self.process.terminate(SERVER_LIMIT).map(drop)
    }
}

fn parse_seen(line: &str) -> Option<Seen> {
    let mut words = line.split(' ');
    let protocol = words.next()?.to_owned();
    let local = words.next()?.strip_prefix("local=")?.parse().ok()?;
    let peer = words.next()?.strip_prefix("peer=")?.parse().ok()?;
    Some(Seen { protocol, local, peer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_read_back() {
        let seen = parse_seen("tcp local=10.0.0.2:80 peer=198.18.0.101:4000").unwrap();
        assert_eq!(seen.protocol, "tcp");
        assert_eq!(seen.peer, "198.18.0.101:4000".parse().unwrap());
        assert_eq!(parse_seen("tcp local=10.0.0.2:80"), None);
    }
}
