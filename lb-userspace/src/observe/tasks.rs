//! `service ps NAME`: one line per task of a service.
use std::{collections::BTreeMap, net::Ipv4Addr};

use lb_common::{row::BackendNumber, row::Row};
use serde::Serialize;

use super::{
    HomeFlow, ObserveError, RowShares, Snapshot, TaskRecord, View,
    flow::count_live,
    view::{lines, percent, table},
};

/// The tasks of one service.
#[derive(Clone, Debug, Serialize)]
pub struct TaskList {
    /// The service's name.
    pub service: String,
    /// The node that was asked; live flows are those of its own tasks.
    pub seen_from: String,
    /// By backend number.
    pub tasks: Vec<TaskLine>,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskLine {
    /// Its name.
    pub task: String,
    /// Its backend number.
    pub number: BackendNumber,
    /// Name of its node.
    pub node: String,
    /// Its address by network.
    pub networks: BTreeMap<String, Ipv4Addr>,
    /// Its gateway leg's address, where it runs on this node.
    pub address: Option<Ipv4Addr>,
    /// `active`, `draining` or `no leg`.
    pub state: &'static str,
    /// Weight; 0 drains.
    pub weight: u16,
    /// Per cent of the service's rows that it owns: its share of new flows.
    pub share_percent: f64,
    /// Live flows, where it runs on this node.
    pub live_flows: Option<u64>,
}

impl TaskList {
    /// The list from what is pinned; `rows` are the service's.
    ///
    /// # Errors
    /// [`ObserveError::UnknownService`].
    pub fn new(
        snapshot: &Snapshot,
        service: &str,
        rows: &[Row],
        flows: &[HomeFlow],
    ) -> Result<Self, ObserveError> {
        let (index, record) = snapshot.service(service)?;
        let live = count_live(flows, |flow| (flow.value.service, flow.key.task));
        let shares = RowShares::of(rows);
        let (here, addresses, attached) =
            (snapshot.self_name(), snapshot.task_addresses(), snapshot.attached());
        let line = |(number, task): (BackendNumber, &TaskRecord)| {
            let name = task.name.as_str();
            let live = live.get(&(index, task.addr.octets())).copied().unwrap_or_default();
            TaskLine {
                task: name.into(),
                number,
                node: task.node.clone(),
                networks: addresses.get(name).cloned().unwrap_or_default(),
                address: (!task.addr.is_unspecified()).then_some(task.addr),
                state: task.state_name(here, attached.contains(name)),
                weight: task.weight,
                share_percent: percent(shares.owned_by(number), shares.total),
                live_flows: (task.node == here).then_some(live),
            }
        };
        let tasks = snapshot.tasks_of(index).map(line).collect();
        Ok(Self { service: record.name.clone(), seen_from: here.into(), tasks })
    }
}

impl TaskLine {
    fn cells(&self) -> [String; 8] {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let networks: Vec<_> = self.networks.values().map(ToString::to_string).collect();
        [
            self.task.clone(),
            self.node.clone(),
            or_dash((!networks.is_empty()).then(|| networks.join(" "))),
            or_dash(self.address.map(|addr| addr.to_string())),
            self.state.into(),
            self.weight.to_string(),
            format!("{:.1} %", self.share_percent),
            or_dash(self.live_flows.map(|flows| flows.to_string())),
        ]
    }
}

impl View for TaskList {
    fn text(&self) -> String {
        let mut table = table(&[
            "TASK",
            "NODE",
            "IN NETWORKS",
            "GATEWAY LEG",
            "STATE",
            "WEIGHT",
            "SHARE",
            "FLOWS",
        ]);
        for task in &self.tasks {
            table.add_row(task.cells());
        }
        let note = "gateway legs, and flows from outside, are those of tasks on this node";
        format!("{}\n\nSeen from node {}: {note}.", lines(table, &[5, 6, 7]), self.seen_from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{flow, sample};

    fn list() -> TaskList {
        let rows = [Row::of(1), Row::of(2), Row { backends: [1, 3, 0, 0] }, Row::of(1)];
        let flows = [flow::sample::flow(1, 0, false), flow::sample::flow(2, 0, false)];
        TaskList::new(&sample::snapshot(), "web", &rows, &flows).unwrap()
    }

    #[test]
    fn json_keeps_its_field_names() {
        let json = serde_json::to_value(list()).unwrap();
        assert_eq!(json["service"], "web");
        assert_eq!(
            json["tasks"][0],
            serde_json::json!({
                "task": "web.1", "number": 1, "node": "n1", "address": "172.31.0.2",
                "networks": { "net": "10.20.0.11" },
                "state": "active", "weight": 1, "share_percent": 75.0, "live_flows": 2
            })
        );
        assert_eq!(json["tasks"][1]["live_flows"], serde_json::Value::Null);
    }

    #[test]
    fn a_draining_task_owns_nothing() {
        let list = list();
        assert_eq!((list.tasks[2].state, list.tasks[2].share_percent), ("draining", 0.0));
        assert!(list.text().contains("Seen from node n1"));
    }
}
