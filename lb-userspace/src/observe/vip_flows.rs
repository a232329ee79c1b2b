//! `flows --vip`: one line per flow of a task on this node to a virtual IP.
use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
};

use lb_common::{
    addr::V4,
    endpoint::{VIPFLOW_ANSWERED, VipFlowKey, VipFlowValue},
};
use serde::Serialize;

use super::{
    ObserveError, Snapshot, View,
    networks::yes,
    snapshot::protocol_name,
    view::{lines, table},
};

/// A flow as it lies in `VIPFLOWS`.
#[derive(Clone, Copy, Debug)]
pub struct VipFlow {
    /// Its key.
    pub key: VipFlowKey<V4>,
    /// Its value.
    pub value: VipFlowValue<V4>,
}

/// Flows of a node's tasks to virtual IPs.
#[derive(Clone, Debug, Serialize)]
pub struct VipFlowList {
    /// Flows that match, before the limit.
    pub total: usize,
    /// At most as many as the limit allows.
    pub flows: Vec<VipFlowLine>,
}

/// One flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VipFlowLine {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// The client's address and port.
    pub client: SocketAddrV4,
    /// Name of the task that is the client, or its address where nobody has it any more.
    pub client_name: String,
    /// The virtual IP and the port that it dialled.
    pub dialled: SocketAddrV4,
    /// Name of the service that it dialled.
    pub service: String,
    /// Name of the network.
    pub network: String,
    /// Name of the task that has the flow, or its address where nobody has it any more.
    pub task: String,
    /// Address and port of that task.
    pub task_address: SocketAddrV4,
    /// Whether that task has answered.
    pub answered: bool,
}

impl VipFlowList {
    /// The list from what is pinned, of one service or of all, sorted by client. Flows that have
    /// ended stay in the map until others need their room.
    ///
    /// # Errors
    /// [`ObserveError::UnknownService`].
    pub fn new(
        snapshot: &Snapshot,
        flows: &[VipFlow],
        service: Option<&str>,
        limit: usize,
    ) -> Result<Self, ObserveError> {
        let only = service.map(|name| indices(snapshot, name)).transpose()?;
        let wanted = |flow: &&VipFlow| {
            only.as_ref().is_none_or(|indices| indices.contains(&flow.value.service))
        };
        let mut flows: Vec<_> = flows.iter().filter(wanted).collect();
        flows.sort_unstable_by_key(|flow| (flow.key.client, flow.key.client_port));
        let total = flows.len();
        flows.truncate(limit);
        Ok(Self { total, flows: flows.into_iter().map(|flow| line(snapshot, flow)).collect() })
    }
}

/// Indices of the services that a service's virtual IPs are, or of the one that is named itself.
fn indices(snapshot: &Snapshot, name: &str) -> Result<BTreeSet<u16>, ObserveError> {
    let (index, _) = snapshot.service(name)?;
    Ok(snapshot.vips_of(name).map(|vip| vip.index).chain([index]).collect())
}

fn line(snapshot: &Snapshot, VipFlow { key, value }: &VipFlow) -> VipFlowLine {
    VipFlowLine {
        protocol: protocol_name(key.proto),
        client: socket(key.client, key.client_port),
        client_name: snapshot.member_name(key.vni, key.client),
        dialled: socket(value.vip, key.port),
        service: snapshot.member_name(key.vni, value.vip),
        network: snapshot.network_name(snapshot.vni_of(key.vni, value.vip)),
        task: snapshot.member_name(key.vni, key.backend),
        task_address: socket(key.backend, key.port),
        answered: value.flags & VIPFLOW_ANSWERED != 0,
    }
}

fn socket(addr: V4, port: [u8; 2]) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(addr), u16::from_be_bytes(port))
}

impl View for VipFlowList {
    fn text(&self) -> String {
        let mut table = table(&["PROTO", "CLIENT", "FROM", "VIRTUAL IP", "TASK", "ANSWERED"]);
        for flow in &self.flows {
            table.add_row([
                flow.protocol.into(),
                flow.client_name.clone(),
                flow.client.to_string(),
                flow.dialled.to_string(),
                flow.task.clone(),
                yes(flow.answered).to_owned(),
            ]);
        }
        let shown = self.flows.len();
        format!(
            "{}\n\n{shown} of {} flows of this node's tasks to virtual IPs.",
            lines(table, &[]),
            self.total
        )
    }
}

#[cfg(test)]
mod tests {
    use lb_common::{endpoint::ANY_VNI, port::TCP};

    use super::{super::sample, *};

    /// A flow of `cli.1` through the virtual IP of `web` to a task.
    fn flow(client_port: u16, backend: V4, flags: u8) -> VipFlow {
        let key = VipFlowKey {
            vni: sample::VNIS[0],
            client: sample::TASKS[2],
            backend,
            client_port: client_port.to_be_bytes(),
            port: 80u16.to_be_bytes(),
            proto: TCP,
            reserved: 0,
            reserved2: 0,
        };
        let value = VipFlowValue {
            vip: sample::VIP,
            service: 4,
            backend: 2,
            generation: 1,
            flags,
            reserved: 0,
        };
        VipFlow { key, value }
    }

    #[test]
    fn flows_are_named_sorted_and_limited() {
        let snapshot = sample::snapshot();
        let flows =
            [flow(40002, [10, 20, 0, 77], 0), flow(40001, sample::TASKS[1], VIPFLOW_ANSWERED)];
        let list = VipFlowList::new(&snapshot, &flows, Some("web"), 1).unwrap();
        assert_eq!(
            serde_json::to_value(&list).unwrap(),
            serde_json::json!({ "total": 2, "flows": [{
                "protocol": "tcp", "client": "10.20.0.13:40001", "client_name": "cli.1",
                "dialled": "10.20.0.9:80", "service": "web", "network": "net",
                "task": "web.2", "task_address": "10.20.1.12:80", "answered": true
            }]})
        );
        let all = VipFlowList::new(&snapshot, &flows, None, 9).unwrap();
        assert_eq!((all.flows[1].task.as_str(), all.flows[1].answered), ("10.20.0.77", false));
        assert!(all.text().ends_with("2 of 2 flows of this node's tasks to virtual IPs."));
        assert!(all.text().lines().all(|line| line.len() <= 100), "{}", all.text());
    }

    #[test]
    fn beside_docker_the_virtual_ip_tells_the_network() {
        let mut flow = flow(40001, sample::TASKS[1], 0);
        flow.key.vni = ANY_VNI;
        let list = VipFlowList::new(&sample::beside_docker(), &[flow], None, 9).unwrap();
        let line = &list.flows[0];
        assert_eq!((&*line.network, &*line.client_name, &*line.task), ("net", "cli.1", "web.2"));
    }

    #[test]
    fn flows_of_one_service_only() {
        let snapshot = sample::snapshot();
        let flows = [flow(1, sample::TASKS[0], 0)];
        let total =
            |name| VipFlowList::new(&snapshot, &flows, Some(name), 9).map(|list| list.total);
        assert_eq!((total("cli").unwrap(), total("web@net").unwrap()), (0, 1));
        assert!(total("x").is_err());
    }
}
