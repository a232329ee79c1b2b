//! Agents beside the engines: `swarmlb agent --source docker` in each node's network namespace.

use std::process::Command;

use anyhow::Result;

use super::{DOCKER_LIMIT, Swarm};
use crate::{process::Process, wait::eventually};

impl Swarm {
    /// Starts the agent of a node and waits until it is ready.
    ///
    /// # Errors
    /// It ends or is not ready in time; the message shows its log.
    pub fn start_agent(&self, node: &str) -> Result<Process> {
        self.cluster.start_agent_by(node, self.agent_command(node)?)
    }

    /// Starts the agents of these nodes at once and waits until all are ready.
    ///
    /// # Errors
    /// As [`Self::start_agent`].
    pub fn start_agents<'a>(&self, nodes: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let command = |node: &str| Ok((node.to_owned(), self.agent_command(node)?));
        let commands = nodes.into_iter().map(command).collect::<Result<_>>()?;
        self.cluster.start_agents_by(commands)
    }

    /// Waits until every node reaches all others by the mesh: until an agent has heard of another one
    /// it sends to that one's tasks through Docker's ingress network, and hides the client.
    ///
    /// # Errors
    /// One of them does not.
    pub fn await_mesh(&self) -> Result<()> {
        let by_mesh = |node: &str| {
            let said = self.swarmlb(node, "node ls");
            said.is_ok_and(|said| !said.contains("ingress NAT"))
        };
        self.names().try_for_each(|node| {
            eventually(DOCKER_LIMIT, &format!("{node} to know of all agents"), || by_mesh(node))
        })
    }

    /// The command that runs the agent of a node, to be changed before use.
    ///
    /// # Errors
    /// The `swarmlb` binary was not found.
    pub fn agent_command(&self, node: &str) -> Result<Command> {
        let engine = self.engine(node);
        let mut command = self.cluster.swarmlb_command()?;
        command.args(["agent", "--source", "docker", "--docker-host", &engine.host()]);
        command.arg("--docker-exec-root").arg(engine.exec_root());
        command.arg("--docker-data-root").arg(engine.data_root());
        command.arg("--pin-root").arg(self.cluster.pin_root(node));
        command.arg("--state-dir").arg(self.cluster.state_dir(node));
        Ok(command)
    }

    /// What `swarmlb` prints of a node, given the words of a command such as `status`.
    ///
    /// # Errors
    /// It fails; the message shows what it said.
    pub fn swarmlb(&self, node: &str, words: &str) -> Result<String> {
        let binary = self.cluster.swarmlb_command()?;
        let (pins, state) = (self.cluster.pin_root(node), self.cluster.state_dir(node));
        let line = format!(
            "{} {words} --pin-root {} --state-dir {}",
            binary.get_program().to_string_lossy(),
            pins.display(),
            state.display()
        );
        self.cluster.sh_in(&self.cluster.node(node).ns, &line)
    }
}
