//! Which services there are at a node: each service of the cluster; for each of its virtual IPs one
//! of its own that has the tasks of that network; and for each port in host mode one that has only the
//! node's tasks.

use lb_common::port::{PublishedPort, port_index};

use crate::{
    fit::vip_name,
    model::{DesiredState, Publish, PublishMode, Service, Task},
};

/// A service as this node's maps have it.
#[derive(Clone, Debug)]
pub(super) struct Target<'a> {
    /// Name in `SERVICE_INFO`.
    pub(super) name: String,
    /// Options.
    pub(super) service: &'a Service,
    /// Its tasks, with the service's numbers.
    pub(super) tasks: Vec<&'a Task>,
    /// Of a virtual IP, its network.
    pub(super) network: Option<&'a str>,
    /// Its ports.
    publish: Vec<Publish>,
}

impl Target<'_> {
    /// Elements of `PORTS`, where the target stands at `index` in `SERVICES`.
    pub(super) fn ports(&self, index: u16) -> impl Iterator<Item = (u32, PublishedPort)> + '_ {
        self.publish.iter().filter_map(move |port| {
            let at = port_index(port.protocol.number(), port.published)?;
            Some((at, PublishedPort { service: index, target: port.target, flags: 0 }))
        })
    }
}

/// All services at `node`, in the cluster's order. A service that publishes nothing is one, too.
pub(super) fn targets<'a>(desired: &'a DesiredState, node: &str) -> Vec<Target<'a>> {
    let is_here = |task: &&Task| task.node == node;
    let only_here = desired.docker().is_some_and(|docker| docker.is_ingress_encrypted);
    let reached = |task: &&Task| !only_here || is_here(task);
    let all = |service| {
        std::iter::once(everywhere(service, reached))
            .chain(virtual_ips(service))
            .chain(host_mode(service, node))
    };
    desired.services.iter().flat_map(all).collect()
}

/// The service with those of its tasks that its published ports reach.
fn everywhere(service: &Service, reached: impl Fn(&&Task) -> bool) -> Target<'_> {
    let publish = service.publish.iter().filter(|port| port.mode == PublishMode::Ingress);
    Target {
        name: service.name.clone(),
        service,
        tasks: service.tasks.iter().filter(reached).collect(),
        network: None,
        publish: publish.copied().collect(),
    }
}

/// One target per virtual IP; a task without an address in its network is none of it.
fn virtual_ips(service: &Service) -> impl Iterator<Item = Target<'_>> {
    service.vips.keys().map(move |network| {
        let tasks = service.tasks.iter().filter(|task| task.addresses.contains_key(network));
        Target {
            name: vip_name(&service.name, network),
            service,
            tasks: tasks.collect(),
            network: Some(network),
            publish: Vec::new(),
        }
    })
}

/// One target per host-mode port; none where no task of the service runs on the node.
fn host_mode<'a>(service: &'a Service, node: &str) -> Vec<Target<'a>> {
    let tasks: Vec<&Task> = service.tasks.iter().filter(|task| task.node == node).collect();
    let ports =
        service.publish.iter().filter(|port| port.mode == PublishMode::Host && !tasks.is_empty());
    ports
        .map(|port| Target {
            name: format!("{}@host:{}/{}", service.name, port.published, port.protocol),
            service,
            tasks: tasks.clone(),
            network: None,
            publish: vec![*port],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compile::fixtures, model::Protocol};

    #[test]
    fn a_host_port_is_a_service_of_the_local_tasks() {
        let port =
            |published, mode| Publish { published, target: 80, protocol: Protocol::Udp, mode };
        let mut service = fixtures::service("web", &[("a", "n1", 1), ("b", "n2", 1)]);
        service.publish = vec![port(8080, PublishMode::Ingress), port(8081, PublishMode::Host)];
        let desired = fixtures::cluster(vec![service]);
        let names = |node| {
            targets(&desired, node).into_iter().map(|target| target.name).collect::<Vec<_>>()
        };
        assert_eq!(names("n1"), ["web", "web@host:8081/udp"]);
        assert_eq!(names("n3"), ["web"]);
        let host = &targets(&desired, "n2")[1];
        assert_eq!(
            host.tasks.iter().map(|task| (&*task.name, task.number)).collect::<Vec<_>>(),
            [("b", 2)]
        );
        let expected = PublishedPort { service: 5, target: 80, flags: 0 };
        assert_eq!(host.ports(5).collect::<Vec<_>>(), [(65536 + 8081, expected)]);
    }

    #[test]
    fn an_encrypted_ingress_network_keeps_published_ports_on_the_node() {
        let mut service = fixtures::service("web", &[("a", "n1", 1), ("b", "n2", 1)]);
        let (a, b) = ([10, 20, 0, 2], [10, 20, 0, 3]);
        fixtures::join(&mut service, "front", [10, 20, 0, 9], &[(1, a), (2, b)]);
        let mut desired = fixtures::beside_docker(fixtures::cluster(vec![service]));
        let tasks = |desired: &DesiredState, node| {
            targets(desired, node).iter().map(|target| target.tasks.len()).collect::<Vec<_>>()
        };
        assert_eq!(tasks(&desired, "n1"), [2, 2]);
        fixtures::docker(&mut desired).is_ingress_encrypted = true;
        assert_eq!((tasks(&desired, "n1"), tasks(&desired, "n3")), (vec![1, 2], vec![0, 2]));
    }

    #[test]
    fn a_virtual_ip_is_a_service_of_the_tasks_in_its_network() {
        let mut service = fixtures::service("web", &[("a", "n1", 1), ("b", "n2", 1)]);
        fixtures::join(&mut service, "front", [10, 20, 0, 9], &[(1, [10, 20, 0, 2])]);
        service.publish = vec![Publish {
            published: 80,
            target: 80,
            protocol: Protocol::Tcp,
            mode: PublishMode::Ingress,
        }];
        let desired = fixtures::cluster(vec![service]);
        let [web, vip] = &targets(&desired, "n3")[..] else { panic!("two targets") };
        assert_eq!((&*web.name, web.network, web.tasks.len()), ("web", None, 2));
        assert_eq!((&*vip.name, vip.network, vip.tasks.len()), ("web@front", Some("front"), 1));
        assert_eq!((web.ports(1).count(), vip.ports(2).count()), (1, 0));
    }
}
