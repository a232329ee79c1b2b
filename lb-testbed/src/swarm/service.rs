//! Services by Docker's own commands, and waiting until Docker has done what they say.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{DOCKER_LIMIT, Swarm, SwarmTask};
use crate::wait::eventually_some;

impl Swarm {
    /// `docker service create` with these words, the image among them, and waits until as many tasks
    /// run as were asked for. Returns them.
    ///
    /// # Errors
    /// Docker refuses, or the tasks do not run in time.
    pub fn create_service(&self, name: &str, words: &str) -> Result<Vec<SwarmTask>> {
        // Images are not in any registry, and this waits better than the command would.
        let line = format!("service create --detach --no-resolve-image --name {name} {words}");
        self.docker("n1", &line)?;
        self.await_service(name)
    }

    /// `docker service update` with these words, and waits until it is done and as many tasks run as
    /// were asked for. Returns them.
    ///
    /// # Errors
    /// As [`Self::create_service`].
    pub fn update_service(&self, name: &str, words: &str) -> Result<Vec<SwarmTask>> {
        self.docker("n1", &format!("service update --detach --no-resolve-image {words} {name}"))?;
        self.await_service(name)
    }

    /// `docker service scale`, and waits until that many tasks run and no other.
    ///
    /// # Errors
    /// As [`Self::create_service`].
    pub fn scale(&self, name: &str, replicas: usize) -> Result<Vec<SwarmTask>> {
        self.docker("n1", &format!("service scale --detach {name}={replicas}"))?;
        self.await_service(name)
    }

    /// `docker service rm`, and waits until none of its containers runs.
    ///
    /// # Errors
    /// Docker refuses, or a container does not end.
    pub fn remove_service(&self, name: &str) -> Result<()> {
        let tasks = self.all_tasks(name)?;
        self.docker("n1", &format!("service rm {name}"))?;
        eventually_some(DOCKER_LIMIT, &format!("the end of {name}'s containers"), || {
            tasks.iter().all(|task| self.has_ended(task)).then_some(())
        })
    }

    /// Waits until a service's tasks are as it says, none of them about to end.
    ///
    /// # Errors
    /// They are not in time; the message shows the tasks.
    pub fn await_service(&self, name: &str) -> Result<Vec<SwarmTask>> {
        eventually_some(DOCKER_LIMIT, &format!("the tasks of {name}"), || {
            self.settled(name).ok().flatten()
        })
        .with_context(|| {
            self.docker("n1", &format!("service ps --no-trunc {name}")).unwrap_or_default()
        })
    }

    /// Waits until a service's tasks are as it says, and none is on `node`, which drains. Returns them.
    ///
    /// # Errors
    /// As [`Self::await_service`].
    pub fn await_moved(&self, name: &str, node: &str) -> Result<Vec<SwarmTask>> {
        let moved = || {
            let tasks = self.settled(name).ok()??;
            tasks.iter().all(|task| task.node != node).then_some(tasks)
        };
        eventually_some(DOCKER_LIMIT, &format!("the tasks of {name} to leave {node}"), moved)
    }

    fn settled(&self, name: &str) -> Result<Option<Vec<SwarmTask>>> {
        let service = self.service(name)?;
        let updating = service["UpdateStatus"]["State"] == "updating";
        let tasks = self.all_tasks(name)?;
        let version = service["Spec"]["TaskTemplate"]["ForceUpdate"].as_u64();
        let running: Vec<_> = tasks.iter().filter(|task| task.is_running()).cloned().collect();
        let wanted = service["Spec"]["Mode"]["Replicated"]["Replicas"].as_u64();
        let wanted = match wanted {
            Some(replicas) => usize::try_from(replicas)?,
            None => self.eligible_nodes()?,
        };
        let current = running.iter().all(|task| task.force_update == version);
        let stopping = tasks.iter().any(SwarmTask::is_stopping);
        Ok((running.len() == wanted && current && !updating && !stopping).then_some(running))
    }

    /// Nodes that get a task of a global service.
    fn eligible_nodes(&self) -> Result<usize> {
        let nodes = self.api("n1", "/nodes")?;
        let eligible = |node: &&Value| {
            node["Status"]["State"] == "ready" && node["Spec"]["Availability"] == "active"
        };
        Ok(nodes.as_array().context("no list of nodes")?.iter().filter(eligible).count())
    }

    /// A service as the first manager's API shows it.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn service(&self, name: &str) -> Result<Value> {
        self.api("n1", &format!("/services/{name}"))
    }
}
