//! The services that swarmlb balances. Those left to Docker are left out entirely.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    View, Warning,
    labels::Labels,
    networks::Networks,
    nodes::Nodes,
    ports::Ports,
    tasks::{self, Tasks},
};
use crate::{
    fit::{MAX_NAME, fit, vip_name},
    model::{EndpointMode, Service},
    source::docker::{
        TakeOver,
        facts::{ServiceFacts, TaskFacts},
    },
};

/// A service that is ours.
#[derive(Clone, Debug)]
struct Ours<'a> {
    id: &'a str,
    name: String,
    facts: &'a ServiceFacts,
    labels: Labels,
}

/// The services, by name, and the names of their tasks by id.
pub(super) fn services<'a>(
    view: View<'a>,
    nodes: &Nodes,
    networks: &Networks,
    warnings: &mut Vec<Warning>,
) -> (Vec<Service>, BTreeMap<&'a str, String>) {
    let ours = ours(view, warnings);
    let claims: Vec<_> = ours.iter().map(|service| (service.id, service.facts)).collect();
    let ports = Ports::new(view, &claims);
    let by_id = ours.iter().map(|service| (service.id, service.name.clone())).collect();
    let names = tasks::names(view, &by_id);
    let by_service = tasks::by_service(view, nodes, networks);
    let mut taken: BTreeSet<_> = ours.iter().map(|service| service.name.clone()).collect();
    let mut services = Vec::new();
    for own in &ours {
        let none = Tasks::new();
        let facts = by_service.get(own.id).unwrap_or(&none);
        let (publish, complaints) = ports.of(own.id, own.facts);
        let complaints = own.labels.complaints.iter().chain(&complaints);
        warnings.extend(complaints.map(|text| Warning::of_service(&own.name, text)));
        let tasks = tasks::tasks(view, (nodes, networks), facts, (&names, own.labels.weight));
        let mut service = own.service(facts, networks);
        service.vips.retain(|network, _| taken.insert(vip_name(&own.name, network)));
        // One without ports and addresses, such as one that publishes in host mode alone, is Docker's.
        if !(tasks.is_empty() && publish.is_empty() && service.vips.is_empty()) {
            services.push(Service { publish, tasks, ..service });
        }
    }
    services.sort_by(|one, other| one.name.cmp(&other.name));
    (services, names)
}

/// The services that are ours, by id; a name that an earlier one has is told and left out.
fn ours<'a>(view: View<'a>, warnings: &mut Vec<Warning>) -> Vec<Ours<'a>> {
    let (mut names, mut ours) = (BTreeSet::new(), Vec::new());
    let mut left = 0_usize;
    for (id, facts) in &view.swarm.services {
        let labels = Labels::read(&facts.labels);
        let name = fit(if facts.name.is_empty() { id } else { &facts.name }, MAX_NAME);
        if !view.options.take_over.takes(labels.enable, view.local.has_ipvs) {
            left += usize::from(labels.enable.is_none() && !facts.vips.is_empty());
        } else if names.insert(name.clone()) {
            ours.push(Ours { id, name, facts, labels });
        } else {
            let text = "another service has its name, so this one is not served";
            warnings.push(Warning::of_service(&name, text));
        }
    }
    warnings.extend(left_to_docker(view, left));
    ours
}

/// Tells that services without a label stay with Docker, which is right only where it has IPVS.
fn left_to_docker(view: View<'_>, left: usize) -> Option<Warning> {
    let text = match (view.options.take_over, view.local.has_ipvs) {
        _ if left == 0 => return None,
        (TakeOver::Labelled, false) => format!(
            "the kernel has no IPVS, and {left} services without label swarmlb.enable=true are \
             balanced by nobody"
        ),
        _ => format!(
            "the kernel has IPVS, so Docker goes on balancing {left} services without label \
             swarmlb.enable=true"
        ),
    };
    Some(Warning { subject: "services".to_owned(), text })
}

impl Ours<'_> {
    /// The service without ports and tasks. Its networks are those of its virtual IPs and its tasks.
    fn service(&self, tasks: &Tasks<'_>, networks: &Networks) -> Service {
        let of_tasks = tasks.values().flat_map(|task: &&TaskFacts| task.addresses.keys());
        let ids: BTreeSet<_> = self.facts.vips.keys().chain(of_tasks).collect();
        let joined = ids.iter().filter_map(|id| networks.get(id));
        let labels = &self.labels;
        Service {
            name: self.name.clone(),
            aliases: Vec::new(),
            networks: joined.map(|network| network.name.clone()).collect(),
            mode: if self.facts.is_dnsrr { EndpointMode::Dnsrr } else { EndpointMode::Vip },
            scheduler: labels.scheduler,
            client_ip_affinity: labels.client_ip_affinity,
            return_mode: labels.return_mode,
            publish: Vec::new(),
            vips: self.vips(networks),
            tasks: Vec::new(),
        }
    }

    /// Its virtual IPs by name of the network, that in the ingress network aside.
    fn vips(&self, networks: &Networks) -> BTreeMap<String, std::net::Ipv4Addr> {
        let vips = self.facts.vips.iter().filter(|_| !self.facts.is_dnsrr);
        let vip = |(id, addr): (&String, &std::net::Ipv4Addr)| {
            let network = networks.get(id)?;
            network.subnet_of(*addr).map(|_| (network.name.clone(), *addr))
        };
        vips.filter_map(vip).collect()
    }
}
