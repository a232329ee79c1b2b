//! `network inspect NAME`: one network with everybody who is in it.
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use lb_common::{
    backend::STATE_ACTIVE,
    endpoint::{ENDPOINT_GATEWAY, ENDPOINT_NETWORK, ENDPOINT_TASK, ENDPOINT_VIP},
};
use serde::Serialize;

use super::{
    EndpointRecord, ObserveError, Snapshot, SubnetLine, TaskRecord, View,
    networks::yes,
    view::{lines, mac_text, table},
};

/// One network in full.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkDetail {
    /// Its name.
    pub name: String,
    /// No way out.
    pub internal: bool,
    /// By address.
    pub subnets: Vec<SubnetLine>,
    /// The node that was asked.
    pub seen_from: String,
    /// Gateways, virtual IPs and tasks, by address.
    pub endpoints: Vec<MemberLine>,
}

/// Somebody in a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberLine {
    /// The address.
    pub address: Ipv4Addr,
    /// Its Ethernet address.
    pub mac: String,
    /// VNI of its subnet.
    pub vni: u32,
    /// `task`, `vip` or `gateway`.
    pub kind: &'static str,
    /// Of a task its name, of a virtual IP its service's.
    pub name: Option<String>,
    /// Of a task, its node; virtual IPs and gateways are at every node.
    pub node: Option<String>,
    /// Of a task on this node, its interface in the node's namespace; `null` beside Docker, where it
    /// lies in another.
    pub ifindex: Option<u32>,
    /// Of a task `active`, `draining` or `no leg`; of a virtual IP `active`, or `no task` where it
    /// refuses new clients; of a gateway `active`.
    pub state: &'static str,
}

/// What tells the states of tasks.
struct Tasks<'a> {
    snapshot: &'a Snapshot,
    by_name: BTreeMap<&'a str, &'a TaskRecord>,
    attached: BTreeSet<&'a str>,
}

impl NetworkDetail {
    /// The detail from what is pinned.
    ///
    /// # Errors
    /// [`ObserveError::UnknownNetwork`].
    pub fn new(snapshot: &Snapshot, name: &str) -> Result<Self, ObserveError> {
        let parts = snapshot.network(name)?;
        let tasks = Tasks {
            snapshot,
            by_name: snapshot.tasks.values().map(|task| (task.name.as_str(), task)).collect(),
            attached: snapshot.attached(),
        };
        let is_here =
            |record: &EndpointRecord| parts.iter().any(|(vni, _)| *vni == record.endpoint.vni);
        let members = snapshot
            .members()
            .filter(|(_, record)| is_here(record) && record.endpoint.kind != ENDPOINT_NETWORK);
        let mut endpoints: Vec<_> =
            members.map(|(addr, record)| MemberLine::new(snapshot, &tasks, addr, record)).collect();
        endpoints.sort_by_key(|member| member.address);
        Ok(Self {
            name: name.into(),
            internal: parts.iter().any(|(_, record)| record.internal),
            subnets: parts.iter().map(|(vni, record)| SubnetLine::new(*vni, record)).collect(),
            seen_from: snapshot.self_name().into(),
            endpoints,
        })
    }
}

impl MemberLine {
    fn new(
        snapshot: &Snapshot,
        tasks: &Tasks<'_>,
        address: Ipv4Addr,
        record: &EndpointRecord,
    ) -> Self {
        let endpoint = &record.endpoint;
        let (kind, state) = match endpoint.kind {
            ENDPOINT_TASK => ("task", tasks.state(record, snapshot.self_name())),
            ENDPOINT_VIP => ("vip", vip_state(snapshot, endpoint.service)),
            ENDPOINT_GATEWAY => ("gateway", "active"),
            _ => ("?", "?"),
        };
        let is_task = endpoint.kind == ENDPOINT_TASK;
        Self {
            address,
            mac: mac_text(endpoint.mac),
            vni: endpoint.vni,
            kind,
            name: (!record.name.is_empty()).then(|| record.name.clone()),
            node: is_task.then(|| snapshot.node_name(endpoint.node)),
            ifindex: (endpoint.ifindex != 0).then_some(endpoint.ifindex),
            state,
        }
    }

    fn cells(&self) -> [String; 6] {
        let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
        let node = match self.kind {
            "task" => or_dash(&self.node),
            _ => "every".into(),
        };
        let kind = if self.kind == "vip" { "virtual IP" } else { self.kind };
        [
            self.address.to_string(),
            self.mac.clone(),
            kind.into(),
            or_dash(&self.name),
            node,
            self.state.into(),
        ]
    }
}

impl Tasks<'_> {
    /// The leg that counts here is the one in this network.
    fn state(&self, member: &EndpointRecord, here: &str) -> &'static str {
        let Some(task) = self.by_name.get(member.name.as_str()) else { return "?" };
        match self.snapshot.has_leg(member) {
            false if task.node == here => "no leg",
            _ => task.state_name(here, self.attached.contains(member.name.as_str())),
        }
    }
}

fn vip_state(snapshot: &Snapshot, service: u16) -> &'static str {
    let takes = snapshot.tasks_of(service).any(|(_, task)| task.state == STATE_ACTIVE);
    if takes { "active" } else { "no task" }
}

impl View for NetworkDetail {
    fn text(&self) -> String {
        let mut subnets = table(&["VNI", "SUBNET", "GATEWAY"]);
        for part in &self.subnets {
            subnets.add_row([part.vni.to_string(), part.subnet.clone(), part.gateway.to_string()]);
        }
        let mut members = table(&["ADDRESS", "MAC", "KIND", "NAME", "NODE", "STATE"]);
        for member in &self.endpoints {
            members.add_row(member.cells());
        }
        let head = format!("Name:      {}\nInternal:  {}", self.name, yes(self.internal));
        format!(
            "{head}\n\n{}\n\n{}\n\nSeen from node {}.",
            lines(subnets, &[0]),
            lines(members, &[]),
            self.seen_from
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn json_keeps_its_field_names() {
        let detail = NetworkDetail::new(&sample::snapshot(), "net").unwrap();
        let json = serde_json::to_value(&detail).unwrap();
        assert_eq!((&json["name"], &json["internal"]), (&"net".into(), &false.into()));
        assert_eq!(json["subnets"][1]["vni"], 5000);
        let addresses: Vec<_> = detail.endpoints.iter().map(|member| member.address).collect();
        let [one, two, three] = sample::TASKS.map(Ipv4Addr::from);
        let gateways = [[10, 20, 0, 1], [10, 20, 1, 1]].map(Ipv4Addr::from);
        assert_eq!(addresses, [gateways[0], sample::VIP.into(), one, three, gateways[1], two]);
        assert_eq!(
            json["endpoints"][2],
            serde_json::json!({
                "address": "10.20.0.11", "mac": "02:42:0a:14:00:0b", "vni": 5001, "kind": "task",
                "name": "web.1", "node": "n1", "ifindex": 21, "state": "active"
            })
        );
        assert_eq!(json["endpoints"][1]["node"], serde_json::Value::Null);
    }

    #[test]
    fn states_are_those_of_tasks_and_of_the_tasks_behind_a_virtual_ip() {
        let mut snapshot = sample::snapshot();
        for (key, record) in &mut snapshot.endpoints {
            if key.addr == sample::TASKS[0] {
                record.endpoint.ifindex = 0;
            }
        }
        let states = |snapshot: &Snapshot| -> Vec<_> {
            let detail = NetworkDetail::new(snapshot, "net").unwrap();
            let state = |member: &MemberLine| member.state;
            detail.endpoints.iter().filter(|member| member.kind != "gateway").map(state).collect()
        };
        assert_eq!(states(&snapshot), ["active", "no leg", "draining", "active"]);
        snapshot.tasks.retain(|(service, _), _| *service != 4);
        assert_eq!(states(&snapshot)[0], "no task");
    }

    #[test]
    fn beside_docker_tasks_have_the_legs_that_docker_made() {
        let detail = NetworkDetail::new(&sample::beside_docker(), "net").unwrap();
        let states: Vec<_> = detail.endpoints.iter().map(|member| member.state).collect();
        assert_eq!(states, ["active", "active", "draining", "active"]);
    }

    #[test]
    fn text_fits_a_terminal() {
        let text = NetworkDetail::new(&sample::snapshot(), "net").unwrap().text();
        assert!(text.contains("virtual IP  web    every  active"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
    }
}
