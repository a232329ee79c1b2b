//! Tasks of services: where they run, at which addresses, in which namespace.

use std::{collections::BTreeMap, net::Ipv4Addr};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::{Swarm, api};
use crate::netns::Ns;

/// A task, as its manager saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwarmTask {
    /// Its id.
    pub id: String,
    /// Name of its node.
    pub node: String,
    /// Its place among the service's tasks, from 1; 0 in a global service.
    pub slot: u64,
    /// Id of its container; empty while it has none.
    pub container: String,
    /// Process id of its container's first process.
    pub pid: i32,
    /// Its addresses by network name.
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// How often its service had been updated by force when it was made.
    pub(super) force_update: Option<u64>,
    state: String,
    desired: String,
}

impl Swarm {
    /// Tasks of a service that run and shall.
    ///
    /// # Errors
    /// The first manager does not answer.
    pub fn tasks(&self, service: &str) -> Result<Vec<SwarmTask>> {
        Ok(self.all_tasks(service)?.into_iter().filter(SwarmTask::is_running).collect())
    }

    /// All tasks of a service, also those of the past.
    pub(super) fn all_tasks(&self, service: &str) -> Result<Vec<SwarmTask>> {
        let service = self.service(service)?;
        let (nodes, tasks) = (self.api("n1", "/nodes")?, self.api("n1", "/tasks")?);
        let tasks = tasks.as_array().context("no list of tasks")?.iter();
        let its = tasks.filter(|task| task["ServiceID"] == service["ID"]);
        Ok(its.map(|task| read(task, &nodes)).collect())
    }

    /// Network namespace of a task.
    ///
    /// # Errors
    /// Its container is gone.
    pub fn task_ns(&self, task: &SwarmTask) -> Result<Ns> {
        self.container_ns(&task.node, &task.container)
    }

    /// Network namespace of a container, by id or name.
    ///
    /// # Errors
    /// It does not exist.
    pub fn container_ns(&self, node: &str, container: &str) -> Result<Ns> {
        let about = self.api(node, &format!("/containers/{container}/json"))?;
        let path = about["NetworkSettings"]["SandboxKey"].as_str().context("no sandbox")?;
        let short = container.get(..12).unwrap_or(container);
        Ok(Ns::at(format!("{node}-{short}"), path))
    }

    /// Whether a task's container does not run any longer.
    pub(super) fn has_ended(&self, task: &SwarmTask) -> bool {
        let path = format!("/containers/{}/json", task.container);
        let about = api::get(&self.engine(&task.node).socket_file(), &path);
        task.container.is_empty()
            || about.is_ok_and(|about| about.contains("\"Running\":false"))
            || self.api(&task.node, &path).is_err()
    }

    /// Whom a task's server saw, by its log on the standard output (`--log=/dev/stdout`).
    ///
    /// # Errors
    /// The container is gone.
    pub fn task_log(&self, task: &SwarmTask) -> Result<String> {
        self.docker(&task.node, &format!("logs {}", task.container))
    }
}

impl SwarmTask {
    /// Whether it runs and shall.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == "running" && self.desired == "running"
    }

    /// Whether it runs and shall not.
    pub(super) fn is_stopping(&self) -> bool {
        self.state == "running" && self.desired != "running"
    }

    /// The name that its server answers with: its container's hostname, the start of its id.
    #[must_use]
    pub fn answers_as(&self) -> &str {
        self.container.get(..12).unwrap_or(&self.container)
    }

    /// Kills its first process with SIGKILL, as by a crash.
    ///
    /// # Errors
    /// It has ended already.
    pub fn kill(&self) -> Result<()> {
        anyhow::ensure!(self.pid > 1, "the task {} has no process", self.id);
        kill(Pid::from_raw(self.pid), Signal::SIGKILL).context("cannot kill a task")
    }
}

fn read(task: &Value, nodes: &Value) -> SwarmTask {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let own_node = |node: &&Value| node["ID"] == task["NodeID"];
    let node = nodes.as_array().and_then(|nodes| nodes.iter().find(own_node));
    let container = &task["Status"]["ContainerStatus"];
    SwarmTask {
        id: text(&task["ID"]),
        node: node.map(|node| text(&node["Description"]["Hostname"])).unwrap_or_default(),
        slot: task["Slot"].as_u64().unwrap_or(0),
        container: text(&container["ContainerID"]),
        pid: container["PID"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0),
        addresses: addresses(task),
        force_update: task["Spec"]["ForceUpdate"].as_u64(),
        state: text(&task["Status"]["State"]),
        desired: text(&task["DesiredState"]),
    }
}

fn addresses(task: &Value) -> BTreeMap<String, Ipv4Addr> {
    let attachments = task["NetworksAttachments"].as_array().map_or(&[][..], Vec::as_slice);
    let one = |attachment: &Value| {
        let name = attachment["Network"]["Spec"]["Name"].as_str()?.to_owned();
        let (address, _) = attachment["Addresses"][0].as_str()?.split_once('/')?;
        Some((name, address.parse().ok()?))
    };
    attachments.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_is_read_with_its_node_and_addresses() {
        let nodes = json!([{"ID": "a", "Description": {"Hostname": "n1"}}]);
        let task = json!({
            "ID": "t", "NodeID": "a", "Slot": 2, "DesiredState": "running",
            "Status": {"State": "running", "ContainerStatus": {"ContainerID": "0123456789abcdef", "PID": 77}},
            "Spec": {"ForceUpdate": 0},
            "NetworksAttachments": [
                {"Network": {"Spec": {"Name": "ingress"}}, "Addresses": ["10.0.0.9/24"]},
            ],
        });
        let task = read(&task, &nodes);
        assert_eq!((task.node.as_str(), task.slot, task.pid), ("n1", 2, 77));
        assert_eq!(task.addresses["ingress"], Ipv4Addr::new(10, 0, 0, 9));
        assert_eq!(task.answers_as(), "0123456789ab");
        assert!(task.is_running() && !task.is_stopping());
    }
}
