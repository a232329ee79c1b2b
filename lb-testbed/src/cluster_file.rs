//! Cluster files as text, from what a test or the demo wants to say: nodes, networks, services,
//! tasks. What is not given is left to the defaults of the file's reader; further keys go in as they
//! are written there, wrong ones too.

use std::fmt::{self, Display, Write as _};

use crate::{cluster::Cluster, netns::Ns};

/// A cluster file.
#[derive(Clone, Debug, Default)]
pub struct ClusterFile {
    keys: String,
    nodes: String,
    networks: Vec<NetworkTable>,
    /// Its services, for changes between two versions of the file.
    pub services: Vec<ServiceTable>,
}

/// A `[[network]]`.
#[derive(Clone, Debug)]
pub struct NetworkTable {
    keys: String,
}

/// A `[[service]]`.
#[derive(Clone, Debug)]
pub struct ServiceTable {
    /// Its name.
    pub name: String,
    networks: Vec<String>,
    keys: String,
    publish: Vec<String>,
    /// Its tasks, for changes between two versions of the file.
    pub tasks: Vec<TaskTable>,
}

/// A `[[service.task]]`.
#[derive(Clone, Debug)]
pub struct TaskTable {
    /// Its name.
    pub name: String,
    /// Where it runs.
    pub node: String,
    /// Its namespace under `/run/netns`.
    pub netns: String,
    /// Its share; 0 drains.
    pub weight: u16,
    addresses: Vec<String>,
    keys: String,
}

impl ClusterFile {
    /// A file with the nodes of a cluster and a seed.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        let nodes = cluster.node_tables();
        Self { nodes, ..Self::default() }.key("seed", "\"of the test-bed\"")
    }

    /// A further key of `[cluster]`; the value as TOML has it.
    #[must_use]
    pub fn key(mut self, key: &str, value: impl Display) -> Self {
        line(&mut self.keys, key, value);
        self
    }

    /// A node that is not one of the cluster's own, such as a [`KernelPeer`](crate::KernelPeer).
    #[must_use]
    pub fn node(mut self, name: &str, address: std::net::Ipv4Addr) -> Self {
        let _ = writeln!(self.nodes, "[[node]]\nname = {name:?}\naddress = \"{address}\"");
        self
    }

    /// A network.
    #[must_use]
    pub fn network(mut self, network: NetworkTable) -> Self {
        self.networks.push(network);
        self
    }

    /// A service.
    #[must_use]
    pub fn service(mut self, service: ServiceTable) -> Self {
        self.services.push(service);
        self
    }

    /// The service of that name, to change it.
    ///
    /// # Panics
    /// There is none.
    pub fn service_mut(&mut self, name: &str) -> &mut ServiceTable {
        let found = self.services.iter_mut().find(|service| service.name == name);
        found.unwrap_or_else(|| panic!("the cluster file has no service {name}"))
    }
}

impl NetworkTable {
    /// A network whose subnet and VNI follow from its name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { keys: String::new() }.key("name", format_args!("{name:?}"))
    }

    /// Its only subnet and that one's VNI.
    #[must_use]
    pub fn subnet(self, subnet: &str, vni: u32) -> Self {
        self.key("subnet", format_args!("{subnet:?}")).key("vni", vni)
    }

    /// Several subnets, each with its VNI.
    #[must_use]
    pub fn subnets(self, subnets: &[(&str, u32)]) -> Self {
        let one = |(subnet, vni): &(&str, u32)| format!("{{ subnet = {subnet:?}, vni = {vni} }}");
        let all: Vec<String> = subnets.iter().map(one).collect();
        self.key("subnets", format_args!("[{}]", all.join(", ")))
    }

    /// Without a way out.
    #[must_use]
    pub fn internal(self) -> Self {
        self.key("internal", true)
    }

    /// A further key; the value as TOML has it.
    #[must_use]
    pub fn key(mut self, key: &str, value: impl Display) -> Self {
        line(&mut self.keys, key, value);
        self
    }
}

impl ServiceTable {
    /// A service without network, port and task.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let (networks, publish, tasks) = (Vec::new(), Vec::new(), Vec::new());
        Self { name: name.to_owned(), networks, keys: String::new(), publish, tasks }
    }

    /// One more network that its tasks are in.
    #[must_use]
    pub fn network(mut self, name: &str) -> Self {
        self.networks.push(format!("{name:?}"));
        self
    }

    /// A further key; the value as TOML has it.
    #[must_use]
    pub fn key(mut self, key: &str, value: impl Display) -> Self {
        line(&mut self.keys, key, value);
        self
    }

    /// A port published on every node.
    #[must_use]
    pub fn publish(mut self, published: u16, target: u16, protocol: &str) -> Self {
        self.publish.push(format!(
            "{{ published = {published}, target = {target}, protocol = {protocol:?} }}"
        ));
        self
    }

    /// One more task.
    #[must_use]
    pub fn task(mut self, task: TaskTable) -> Self {
        self.tasks.push(task);
        self
    }

    /// The task of that name, to change it.
    ///
    /// # Panics
    /// There is none.
    pub fn task_mut(&mut self, name: &str) -> &mut TaskTable {
        let found = self.tasks.iter_mut().find(|task| task.name == name);
        found.unwrap_or_else(|| panic!("service {} has no task {name}", self.name))
    }
}

impl TaskTable {
    /// A task with weight 1, with addresses that follow from its name.
    #[must_use]
    pub fn new(name: &str, node: &str, ns: &Ns) -> Self {
        let (name, node, netns) = (name.to_owned(), node.to_owned(), ns.name().to_owned());
        Self { name, node, netns, weight: 1, addresses: Vec::new(), keys: String::new() }
    }

    /// Its address in a network.
    #[must_use]
    pub fn address(mut self, network: &str, address: impl Display) -> Self {
        self.addresses.push(format!("{network:?} = \"{address}\""));
        self
    }

    /// Its Ethernet address in a network.
    #[must_use]
    pub fn mac(self, network: &str, mac: &str) -> Self {
        self.key("macs", format_args!("{{ {network:?} = {mac:?} }}"))
    }

    /// Its share; 0 drains.
    #[must_use]
    pub const fn weight(mut self, weight: u16) -> Self {
        self.weight = weight;
        self
    }

    /// A further key; the value as TOML has it.
    #[must_use]
    pub fn key(mut self, key: &str, value: impl Display) -> Self {
        line(&mut self.keys, key, value);
        self
    }
}

impl Display for ClusterFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[cluster]\n{}\n{}", self.keys, self.nodes)?;
        for NetworkTable { keys } in &self.networks {
            write!(f, "\n[[network]]\n{keys}")?;
        }
        self.services.iter().try_for_each(|service| write!(f, "\n{service}"))
    }
}

impl Display for ServiceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, networks, keys, publish, tasks } = self;
        writeln!(f, "[[service]]\nname = {name:?}")?;
        if !networks.is_empty() {
            writeln!(f, "networks = [{}]", networks.join(", "))?;
        }
        if !publish.is_empty() {
            writeln!(f, "publish = [{}]", publish.join(", "))?;
        }
        f.write_str(keys)?;
        tasks.iter().try_for_each(|task| write!(f, "\n{task}"))
    }
}

impl Display for TaskTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, node, netns, weight, addresses, keys } = self;
        writeln!(f, "[[service.task]]\nname = {name:?}\nnode = {node:?}\nnetns = {netns:?}")?;
        if *weight != 1 {
            writeln!(f, "weight = {weight}")?;
        }
        if !addresses.is_empty() {
            writeln!(f, "addresses = {{ {} }}", addresses.join(", "))?;
        }
        f.write_str(keys)
    }
}

fn line(keys: &mut String, key: &str, value: impl Display) {
    let _ = writeln!(keys, "{key} = {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_written_as_its_reader_has_it() {
        let task = TaskTable::new("web.1", "n1", &Ns::named("web-1"));
        let service = ServiceTable::new("web")
            .network("a")
            .network("b")
            .key("scheduler", "\"rr\"")
            .publish(80, 8080, "tcp")
            .task(task.weight(0).address("a", "10.1.0.9"));
        assert_eq!(
            service.to_string(),
            "[[service]]\nname = \"web\"\nnetworks = [\"a\", \"b\"]\n\
             publish = [{ published = 80, target = 8080, protocol = \"tcp\" }]\n\
             scheduler = \"rr\"\n\n\
             [[service.task]]\nname = \"web.1\"\nnode = \"n1\"\nnetns = \"web-1\"\n\
             weight = 0\naddresses = { \"a\" = \"10.1.0.9\" }\n"
        );
    }

    #[test]
    fn a_network_has_one_subnet_or_several() {
        let one = NetworkTable::new("a").subnet("10.1.0.0/24", 5000).internal();
        assert_eq!(
            one.keys,
            "name = \"a\"\nsubnet = \"10.1.0.0/24\"\nvni = 5000\ninternal = true\n"
        );
        let several =
            NetworkTable::new("b").subnets(&[("10.1.0.0/24", 5000), ("10.2.0.0/24", 5001)]);
        let list =
            "[{ subnet = \"10.1.0.0/24\", vni = 5000 }, { subnet = \"10.2.0.0/24\", vni = 5001 }]";
        assert_eq!(several.keys, format!("name = \"b\"\nsubnets = {list}\n"));
    }

    #[test]
    fn tasks_change_between_two_versions() {
        let service = ServiceTable::new("web");
        let mut file = ClusterFile::default().service(service);
        let task = TaskTable::new("web.1", "n1", &Ns::named("web-1"));
        file.service_mut("web").tasks.push(task);
        assert!(!file.to_string().contains("weight"));
        file.service_mut("web").task_mut("web.1").weight = 3;
        assert!(file.to_string().ends_with("weight = 3\n"), "{file}");
    }
}
