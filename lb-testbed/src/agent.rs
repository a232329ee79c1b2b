//! The agents of the nodes: one cluster file for all, one `swarmlb agent` process in each node's
//! namespace. What an agent did is read from its standard output: a line
//! `ready generation=G` after each applied state, a line `refused ...` for a file it refuses.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;

use crate::{cluster::Cluster, process::Process, topology::Host};

/// How long an agent may take to load its programs or to apply a file, also on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// What an agent said about a cluster file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Applied; the number is the generation.
    Ready(u64),
    /// Refused, with the reason.
    Refused(String),
}

/// Agents that were started, by node.
#[derive(Debug, Default)]
pub(crate) struct Agents(Mutex<BTreeMap<String, Process>>);

impl Agents {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Process>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    /// Path of the cluster file that all agents read.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.dir().join("cluster.toml")
    }

    /// Replaces the cluster file at once: no agent ever reads half of it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_config(&self, toml: &str) -> Result<()> {
        let draft = self.dir().join("cluster.toml.draft");
        fs::write(&draft, toml)?;
        fs::rename(&draft, self.config_path()).context("cannot put the cluster file in place")
    }

    /// The `[[node]]` tables of this cluster, to begin a cluster file with.
    #[must_use]
    pub fn node_tables(&self) -> String {
        let table =
            |name: &str, address| format!("[[node]]\nname = \"{name}\"\naddress = \"{address}\"\n");
        self.nodes().iter().map(|node| table(&node.name, node.address)).collect()
    }

    /// Starts the agent of a node and waits until it is ready.
    ///
    /// # Errors
    /// It ends, refuses the file, or is not ready in time; the message shows its log.
    pub fn start_agent(&self, node: &str) -> Result<Process> {
        self.start_agent_by(node, self.agent_command(node)?)
    }

    /// Starts the agent of a node by a command and waits until it is ready.
    pub(crate) fn start_agent_by(&self, node: &str, command: Command) -> Result<Process> {
        let process = self.spawn_in(&self.node(node).ns, command)?;
        self.agents.lock().insert(node.to_owned(), process.clone());
        expect_ready(&process, 0)?;
        Ok(process)
    }

    /// Starts the agents of all nodes at once and waits until all are ready.
    ///
    /// # Errors
    /// As [`Self::start_agent`].
    pub fn start_agents(&self) -> Result<()> {
        let command = |node: &Host| Ok((node.name.clone(), self.agent_command(&node.name)?));
        self.start_agents_by(self.nodes().iter().map(command).collect::<Result<_>>()?)
    }

    /// Starts agents by node and command, and waits until all are ready.
    pub(crate) fn start_agents_by(&self, commands: Vec<(String, Command)>) -> Result<()> {
        let mut started = Vec::new();
        for (node, command) in commands {
            let process = self.spawn_in(&self.node(&node).ns, command)?;
            self.agents.lock().insert(node, process.clone());
            started.push(process);
        }
        started.iter().try_for_each(|process| expect_ready(process, 0).map(drop))
    }

    /// The command that runs the agent of a node, to be changed before use: another `--object`,
    /// for example.
    ///
    /// # Errors
    /// The `swarmlb` binary was not found.
    pub fn agent_command(&self, node: &str) -> Result<Command> {
        let mut command = self.swarmlb_command()?;
        command.arg("agent").arg("--config").arg(self.config_path());
        command.args(["--node", node]).arg("--pin-root").arg(self.pin_root(node));
        command.arg("--state-dir").arg(self.state_dir(node));
        if let Some(object) = &self.binaries.object {
            command.arg("--object").arg(object);
        }
        Ok(command)
    }

    /// Directory of a node's agent for what it keeps.
    #[must_use]
    pub fn state_dir(&self, node: &str) -> PathBuf {
        self.dir().join(format!("state-{node}"))
    }

    /// A command that starts with the `swarmlb` binary.
    ///
    /// # Errors
    /// The binary was not found.
    pub fn swarmlb_command(&self) -> Result<Command> {
        let binary = self.binaries.swarmlb.as_deref();
        let binary = binary.context("no swarmlb binary: run `cargo build` or set SWARMLB_BIN")?;
        Ok(Command::new(existing(binary)?))
    }

    /// The running agent of a node.
    ///
    /// # Errors
    /// None was started.
    pub fn agent(&self, node: &str) -> Result<Process> {
        let agent = self.agents.lock().get(node).cloned();
        agent.with_context(|| format!("the agent of {node} was not started"))
    }

    /// Kills the agent of a node with SIGKILL and waits for its end; its pins stay.
    ///
    /// # Errors
    /// It was not started, or does not end.
    pub fn kill_agent(&self, node: &str) -> Result<()> {
        let agent = self.agents.lock().remove(node);
        agent.with_context(|| format!("the agent of {node} was not started"))?.kill()
    }

    /// Asks the agent of a node to end by SIGTERM and waits for its end.
    ///
    /// # Errors
    /// It was not started, or does not end in time.
    pub fn stop_agent(&self, node: &str) -> Result<()> {
        let agent = self.agents.lock().remove(node);
        let agent = agent.with_context(|| format!("the agent of {node} was not started"))?;
        agent.terminate(READY_LIMIT).map(drop)
    }

    /// Kills the agent of a node and starts it again.
    ///
    /// # Errors
    /// As [`Self::kill_agent`] and [`Self::start_agent`].
    pub fn restart_agent(&self, node: &str) -> Result<Process> {
        self.kill_agent(node)?;
        self.start_agent(node)
    }

    /// Sends SIGHUP to the agent of a node and waits for what it says to the file.
    ///
    /// # Errors
    /// It ends or says nothing in time.
    pub fn reload(&self, node: &str) -> Result<Outcome> {
        let agent = self.agent(node)?;
        let seen = agent.stdout_lines();
        agent.signal(Signal::SIGHUP)?;
        next_outcome(&agent, seen)
    }

    /// Replaces the cluster file and waits until every running agent has applied it.
    ///
    /// # Errors
    /// An agent refuses it, ends, or is not done in time.
    pub fn apply_config(&self, toml: &str) -> Result<()> {
        for (node, outcome) in self.offer_config(toml)? {
            if let Outcome::Refused(reason) = outcome {
                bail!("the agent of {node} refused the file: {reason}");
            }
        }
        Ok(())
    }

    /// Replaces the cluster file, tells every running agent, and returns what each said to it.
    ///
    /// # Errors
    /// An agent ends or says nothing in time.
    pub fn offer_config(&self, toml: &str) -> Result<BTreeMap<String, Outcome>> {
        let agents = self.agents.lock().clone();
        let seen: Vec<usize> = agents.values().map(Process::stdout_lines).collect();
        self.write_config(toml)?;
        agents.values().try_for_each(|agent| agent.signal(Signal::SIGHUP))?;
        let outcome = |((node, agent), seen)| Ok((node, next_outcome(&agent, seen)?));
        agents.into_iter().zip(seen).map(outcome).collect()
    }
}

fn expect_ready(process: &Process, seen: usize) -> Result<u64> {
    match next_outcome(process, seen)? {
        Outcome::Ready(generation) => Ok(generation),
        Outcome::Refused(reason) => bail!("{process} refused the file: {reason}"),
    }
}

fn next_outcome(process: &Process, seen: usize) -> Result<Outcome> {
    process.wait_line(seen, READY_LIMIT, parse_outcome)
}

fn parse_outcome(line: &str) -> Option<Outcome> {
    if let Some(reason) = line.strip_prefix("refused") {
        return Some(Outcome::Refused(reason.trim().to_owned()));
    }
    let rest = line.strip_prefix("ready generation=")?;
    rest.split_whitespace().next()?.parse().ok().map(Outcome::Ready)
}

fn existing(path: &Path) -> Result<&Path> {
    if path.is_file() { Ok(path) } else { bail!("{} does not exist", path.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_read_from_the_agents_lines() {
        assert_eq!(parse_outcome("ready generation=12"), Some(Outcome::Ready(12)));
        assert_eq!(parse_outcome("ready generation=12 rows=5"), Some(Outcome::Ready(12)));
        let refused = Outcome::Refused("line 3: unknown key".into());
        assert_eq!(parse_outcome("refused line 3: unknown key"), Some(refused));
        assert_eq!(parse_outcome("loading"), None);
        assert_eq!(parse_outcome("ready generation="), None);
    }
}
