//! `flows`: one line per flow whose task runs on this node.
use std::net::{Ipv4Addr, SocketAddrV4};

use lb_common::addr::V4;
use serde::Serialize;

use super::{
    FlowState, HomeFlow, ObserveError, Snapshot, View,
    snapshot::protocol_name,
    view::{lines, table},
};

/// Flows of a node's tasks.
#[derive(Clone, Debug, Serialize)]
pub struct FlowList {
    /// Flows that match, before the limit.
    pub total: usize,
    /// At most as many as the limit allows.
    pub flows: Vec<FlowLine>,
}

/// One flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FlowLine {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// The client's real address and port.
    pub client: SocketAddrV4,
    /// What the client dialled.
    pub dialled: SocketAddrV4,
    /// The service's name.
    pub service: String,
    /// The task's name, or its address where no task has it any more.
    pub task: String,
    /// Name of the node where the client's packets come in.
    pub entry: String,
    /// Where the flow stands in its life.
    pub state: FlowState,
    /// `tunnel` or `direct`.
    #[serde(rename = "return")]
    pub return_mode: &'static str,
}

impl FlowList {
    /// The list from what is pinned, of one service or of all, sorted by client. Flows that both
    /// sides have closed stay in the map until others need their room; they are left out unless
    /// `closed` asks for them.
    ///
    /// # Errors
    /// [`ObserveError::UnknownService`].
    pub fn new(
        snapshot: &Snapshot,
        flows: &[HomeFlow],
        service: Option<&str>,
        closed: bool,
        limit: usize,
    ) -> Result<Self, ObserveError> {
        let only = service.map(|name| snapshot.service(name)).transpose()?.map(|(index, _)| index);
        let wanted = |flow: &&HomeFlow| {
            only.is_none_or(|index| flow.value.service == index)
                && (closed || flow.state() != FlowState::Closed)
        };
        let mut flows: Vec<_> = flows.iter().filter(wanted).collect();
        flows.sort_unstable_by_key(|flow| (flow.key.client, flow.value.client_port));
        let total = flows.len();
        flows.truncate(limit);
        Ok(Self { total, flows: flows.into_iter().map(|flow| line(snapshot, flow)).collect() })
    }
}

fn line(snapshot: &Snapshot, flow: &HomeFlow) -> FlowLine {
    let (key, value) = (&flow.key, &flow.value);
    let named = snapshot.services.get(&value.service);
    FlowLine {
        protocol: protocol_name(key.proto),
        client: socket(key.client, value.client_port),
        dialled: socket(value.dialled, value.dialled_port),
        service: named.map_or_else(|| format!("#{}", value.service), |record| record.name.clone()),
        task: task_name(snapshot, value.service, key.task.into()),
        entry: snapshot.node_name(value.entry),
        state: flow.state(),
        return_mode: if flow.is_direct() { "direct" } else { "tunnel" },
    }
}

fn task_name(snapshot: &Snapshot, service: u16, addr: Ipv4Addr) -> String {
    let task = snapshot.tasks_of(service).find(|(_, task)| task.addr == addr);
    task.map_or_else(|| addr.to_string(), |(_, task)| task.name.clone())
}

const fn socket(addr: V4, port: [u8; 2]) -> SocketAddrV4 {
    let [a, b, c, d] = addr;
    SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes(port))
}

impl View for FlowList {
    fn text(&self) -> String {
        let mut table = table(&["PROTO", "CLIENT", "DIALLED", "TASK", "ENTRY", "STATE", "RETURN"]);
        for flow in &self.flows {
            table.add_row([
                flow.protocol.into(),
                flow.client.to_string(),
                flow.dialled.to_string(),
                flow.task.clone(),
                flow.entry.clone(),
                flow.state.name().into(),
                flow.return_mode.to_string(),
            ]);
        }
        let shown = self.flows.len();
        format!("{}\n\n{shown} of {} flows of this node's tasks.", lines(table, &[]), self.total)
    }
}

#[cfg(test)]
mod tests {
    use lb_common::flow::{NAT_CLIENT_FIN, NAT_TASK_FIN};

    use super::*;
    use crate::observe::{flow, sample};

    #[test]
    fn flows_are_named_sorted_and_limited() {
        let snapshot = sample::snapshot();
        let flows = [40002, 40001].map(|port| flow::sample::flow(port, 0, false));
        let list = FlowList::new(&snapshot, &flows, Some("web"), false, 1).unwrap();
        assert_eq!(
            serde_json::to_value(&list).unwrap(),
            serde_json::json!({ "total": 2, "flows": [{
                "protocol": "tcp", "client": "198.18.9.9:40001", "dialled": "198.18.0.2:80",
                "service": "web", "task": "web.1", "entry": "n2", "state": "established",
                "return": "tunnel"
            }]})
        );
        assert!(list.text().ends_with("1 of 2 flows of this node's tasks."));
    }

    #[test]
    fn closed_flows_show_only_when_asked_for() {
        let snapshot = sample::snapshot();
        let flows = [flow::sample::flow(40001, NAT_CLIENT_FIN | NAT_TASK_FIN, false)];
        let total = |closed| FlowList::new(&snapshot, &flows, None, closed, 9).unwrap().total;
        assert_eq!((total(false), total(true)), (0, 1));
    }

    #[test]
    fn flows_of_an_unknown_service_are_an_error() {
        assert!(FlowList::new(&sample::snapshot(), &[], Some("x"), false, 9).is_err());
    }
}
