//! Who may know which names: the desired state turned into an index, and a question of a task turned
//! into an answer. Pure; made anew at each change and swapped as a whole, so that no answer mixes two
//! states.
//!
//! Names have no regard to case. A dotted name is looked for as a whole first, then split from the
//! right into a name and the network it is looked for in, as Docker does.
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{Ipv4Addr, SocketAddr},
};

use serde::{Deserialize, Serialize};

use crate::model::{DesiredState, Dns, EndpointMode, Network, Service, Subnet, Task};

/// What a task wants to know. Names are without a final dot, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// The IPv4 addresses of a name.
    Addresses(&'a str),
    /// The IPv6 addresses of a name.
    Addresses6(&'a str),
    /// Anything else about a name.
    Other(&'a str),
    /// The name of an address.
    Name(Ipv4Addr),
}

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The name's addresses, at least one, in no order.
    Addresses(Vec<Ipv4Addr>),
    /// The address's name.
    Name(String),
    /// The name exists and has nothing of the kind: NOERROR without records.
    Nothing,
    /// There is no such name, and nobody else can know: NXDOMAIN.
    NoSuchName,
    /// Not ours: the node's name servers may know.
    Ask,
    /// Not ours, and the task may ask nobody outside: SERVFAIL, as Docker answers.
    Secluded,
    /// The asker is no task of ours: REFUSED.
    Stranger,
}

/// All names of a cluster, and who may know them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    networks: Vec<NetworkNames>,
    askers: HashMap<String, Asker>,
    upstream: Vec<SocketAddr>,
    /// `ndots` above 0: names of one label never go upstream.
    single_labels_stay: bool,
}

/// The names of one network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct NetworkNames {
    name: String,
    subnets: Vec<(Ipv4Addr, u8)>,
    addresses: HashMap<String, Vec<Ipv4Addr>>,
    pointers: HashMap<Ipv4Addr, String>,
}

/// A task as one who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asker {
    /// Indices of its networks, in its order.
    networks: Vec<usize>,
    /// Whether its questions may leave the cluster.
    may_ask_outside: bool,
}

impl Zone {
    /// The names of `desired`. Tasks in `held` are not used yet: names that stand for several tasks
    /// leave them out.
    #[must_use]
    pub fn new(desired: &DesiredState, held: &BTreeSet<String>) -> Self {
        let index = desired.networks.iter().zip(0..).map(|(net, at)| (net.name.as_str(), at));
        let index: BTreeMap<&str, usize> = index.collect();
        let askers = desired.services.iter().flat_map(|service| {
            let networks = service.networks.iter().filter_map(|name| index.get(name.as_str()));
            let networks: Vec<usize> = networks.copied().collect();
            let asker = Asker { networks, may_ask_outside: !is_secluded(desired, service) };
            service.tasks.iter().map(move |task| (task.name.clone(), asker.clone()))
        });
        Self {
            networks: desired.networks.iter().map(|net| names_of(net, desired, held)).collect(),
            askers: askers.collect(),
            upstream: desired.dns.upstream.clone(),
            single_labels_stay: desired.dns.ndots > Dns::default().ndots,
        }
    }

    /// The name servers to ask; empty: the node's own.
    #[must_use]
    pub fn upstream(&self) -> &[SocketAddr] {
        &self.upstream
    }

    /// What the task called `asker` is told.
    #[must_use]
    pub fn answer(&self, asker: &str, question: Question<'_>) -> Answer {
        let Some(asker) = self.askers.get(asker) else { return Answer::Stranger };
        let networks: Vec<_> =
            asker.networks.iter().filter_map(|&at| self.networks.get(at)).collect();
        let ours = match question {
            Question::Addresses(name) => find(&networks, name).map(|found| told(&found)),
            Question::Addresses6(name) | Question::Other(name) => {
                find(&networks, name).map(|_| Answer::Nothing)
            }
            Question::Name(address) => named(&networks, address),
        };
        ours.unwrap_or_else(|| self.not_ours(asker, question))
    }

    fn not_ours(&self, asker: &Asker, question: Question<'_>) -> Answer {
        let stays = match question {
            Question::Addresses(name) | Question::Addresses6(name) => {
                self.single_labels_stay && !name.contains('.')
            }
            Question::Other(_) | Question::Name(_) => false,
        };
        match asker.may_ask_outside {
            _ if stays => Answer::Nothing,
            true => Answer::Ask,
            false => Answer::Secluded,
        }
    }
}

/// Whether a service's tasks live in internal networks only.
fn is_secluded(desired: &DesiredState, service: &Service) -> bool {
    let internal = |name: &String| {
        desired.networks.iter().any(|network| network.name == *name && network.internal)
    };
    !service.networks.is_empty() && service.networks.iter().all(internal)
}

/// Addresses of a name in the first network that knows it: the whole name first, then ever more of
/// its end taken as the network's name.
fn find(networks: &[&NetworkNames], name: &str) -> Option<Vec<Ipv4Addr>> {
    let name = name.to_ascii_lowercase();
    let whole = networks.iter().find_map(|network| network.addresses.get(&name));
    let split = || {
        name.rmatch_indices('.').find_map(|(dot, _)| {
            let (name, network) = (&name[..dot], &name[dot + 1..]);
            let named = networks.iter().filter(|one| one.name.eq_ignore_ascii_case(network));
            named.into_iter().find_map(|network| network.addresses.get(name))
        })
    };
    whole.or_else(split).cloned()
}

fn told(addresses: &[Ipv4Addr]) -> Answer {
    if addresses.is_empty() { Answer::Nothing } else { Answer::Addresses(addresses.to_vec()) }
}

/// The name of an address; within the asker's own networks nobody outside can know better.
fn named(networks: &[&NetworkNames], address: Ipv4Addr) -> Option<Answer> {
    let pointer = networks.iter().find_map(|network| network.pointers.get(&address));
    let inside = networks.iter().any(|network| network.contains(address));
    let named = pointer.map(|name| Answer::Name(name.clone()));
    named.or_else(|| inside.then_some(Answer::NoSuchName))
}

fn names_of(network: &Network, desired: &DesiredState, held: &BTreeSet<String>) -> NetworkNames {
    let mut names = NetworkNames { name: network.name.clone(), ..NetworkNames::default() };
    names.subnets = network.subnets().map(|part| (part.subnet.addr, part.subnet.prefix)).collect();
    let inside = |service: &&Service| service.networks.contains(&network.name);
    let services: Vec<&Service> = desired.services.iter().filter(inside).collect();
    for service in &services {
        names.add_service(service, held);
    }
    let mut others = Vec::new();
    for service in &services {
        others.extend(names.further(service, held));
    }
    // A service's own name goes before a task of the same name, and that before what is made up.
    for (name, addresses) in others {
        names.addresses.entry(name).or_insert(addresses);
    }
    names
}

impl NetworkNames {
    /// The service's name and aliases; several services may share one.
    fn add_service(&mut self, service: &Service, held: &BTreeSet<String>) {
        let vip = service.vips.get(&self.name).copied();
        let addresses = match service.mode {
            EndpointMode::Vip => vip.into_iter().collect(),
            EndpointMode::Dnsrr => self.in_use(service, held),
        };
        for name in service.names() {
            let known = self.addresses.entry(name).or_default();
            let new = addresses.iter().filter(|address| !known.contains(address));
            let new: Vec<Ipv4Addr> = new.copied().collect();
            known.extend(new);
        }
        let pointer = |name: &str| format!("{name}.{}", self.name);
        let tasks = service.tasks.iter();
        let tasks = tasks.filter_map(|task| Some((self.address(task)?, pointer(&task.name))));
        let pointers: Vec<_> = tasks.chain(vip.map(|vip| (vip, pointer(&service.name)))).collect();
        self.pointers.extend(pointers);
    }

    /// The names of its tasks, and `tasks.NAME`.
    fn further(&self, service: &Service, held: &BTreeSet<String>) -> Vec<(String, Vec<Ipv4Addr>)> {
        let one = |task: &Task| Some((task.name.to_ascii_lowercase(), vec![self.address(task)?]));
        let all = |name| (format!("tasks.{name}"), self.in_use(service, held));
        service.tasks.iter().filter_map(one).chain(service.names().map(all)).collect()
    }

    /// Addresses of the tasks that take new clients; if there are none, of those that drain, as they
    /// still answer; if all are new, of all.
    fn in_use(&self, service: &Service, held: &BTreeSet<String>) -> Vec<Ipv4Addr> {
        let (held, here): (Vec<&Task>, Vec<&Task>) =
            service.tasks.iter().partition(|task| held.contains(&task.name));
        let (live, draining): (Vec<&Task>, Vec<&Task>) =
            here.into_iter().partition(|task| task.weight > 0);
        let choice = [live, draining, held].into_iter().find(|tasks| !tasks.is_empty());
        choice.unwrap_or_default().into_iter().filter_map(|task| self.address(task)).collect()
    }

    fn address(&self, task: &Task) -> Option<Ipv4Addr> {
        task.addresses.get(&self.name).copied()
    }

    fn contains(&self, address: Ipv4Addr) -> bool {
        self.subnets.iter().any(|&(addr, prefix)| Subnet { addr, prefix }.contains(address))
    }
}

impl Service {
    /// The names that stand for the service as a whole, in lower case.
    fn names(&self) -> impl Iterator<Item = String> {
        std::iter::once(&self.name).chain(&self.aliases).map(|name| name.to_ascii_lowercase())
    }
}
