//! Two nodes, of which the first has an agent and tasks that ask, and a client with name servers.
//! Names need neither legs nor packets between nodes: the rest of the cluster is in the file only.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddrV4},
    process::Command,
    time::Duration,
};

use lb_testbed::{Cluster, NameServer, Ns};

/// Ample for anything that takes a moment, also on a loaded machine.
pub(super) const AMPLE: Duration = Duration::from_secs(60);
/// Port of the name servers, which is no port of anybody else's.
pub(super) const SERVER_PORT: u16 = 5353;

/// A service: name, further lines, tasks {name, node, weight}.
pub(super) type Service<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str, u16)]);

/// The cluster, with namespaces of those tasks that were asked for.
pub(super) struct Bed {
    pub(super) cluster: Cluster,
}

impl Bed {
    /// A cluster without agent.
    pub(super) fn new() -> Self {
        let swarmlb = env!("CARGO_BIN_EXE_swarmlb");
        let cluster = Cluster::builder().nodes(2).clients(1).swarmlb(swarmlb).build();
        Self { cluster: cluster.expect("a cluster") }
    }

    /// Makes the namespaces of these tasks and starts n1's agent with that file.
    pub(super) fn start(&self, tasks: &[&str], config: &str) {
        for task in tasks {
            self.cluster.task_ns(task).expect("a namespace");
        }
        self.cluster.write_config(config).expect("a cluster file");
        self.cluster.start_agent("n1").expect("an agent");
    }

    /// A cluster file: networks `front` (10.1.0.0/16), `back` (10.2.0.0/16, internal) and `other`,
    /// these services, and further lines.
    pub(super) fn config(&self, services: &[Service<'_>], lines: &str) -> String {
        let mut text = format!("[cluster]\nseed = \"s\"\n{lines}\n{}", self.cluster.node_tables());
        for (network, third, internal) in
            [("front", 1, false), ("back", 2, true), ("other", 3, false)]
        {
            let _ = writeln!(
                text,
                "[[network]]\nname = \"{network}\"\nsubnet = \"10.{third}.0.0/16\"\ninternal = {internal}"
            );
        }
        for (name, lines, tasks) in services {
            let _ = writeln!(text, "[[service]]\nname = \"{name}\"\n{lines}");
            for (task, node, weight) in *tasks {
                let netns = self.ns(task);
                let _ = writeln!(
                    text,
                    "[[service.task]]\nname = \"{task}\"\nnode = \"{node}\"\nnetns = \"{}\"\nweight = {weight}",
                    netns.name()
                );
            }
        }
        text
    }

    /// The `[dns]` table that names the client's name servers at these ports.
    pub(super) fn upstream(&self, ports: &[u16]) -> String {
        let server = |port: &u16| format!("\"{}\"", self.server_at(*port));
        let servers: Vec<String> = ports.iter().map(server).collect();
        format!("[dns]\nupstream = [{}]", servers.join(", "))
    }

    /// Starts a name server at the client that tells `marker` of most names.
    pub(super) fn name_server(&self, port: u16, marker: [u8; 4]) -> NameServer {
        let client = &self.cluster.client().ns;
        NameServer::start(client, self.server_at(port), marker.into()).expect("a name server")
    }

    fn server_at(&self, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.cluster.client().address, port)
    }

    /// The namespace of a task.
    pub(super) fn ns(&self, task: &str) -> Ns {
        Ns::named(self.cluster.prefix().name(task))
    }

    /// What dig prints in a task when it asks our resolver, with these further words.
    pub(super) fn dig(&self, task: &str, words: &str) -> String {
        let line = format!("dig @127.0.0.11 +tries=1 +time=50 {words}");
        self.cluster.sh_in(&self.ns(task), &line).expect("dig")
    }

    /// Status and records of an answer, a line each: `NOERROR`, then `mongo. 1 IN A 10.1.0.5`, with
    /// blanks made one.
    pub(super) fn ask(&self, task: &str, words: &str) -> Vec<String> {
        let text = self.dig(task, &format!("+noall +comments +answer {words}"));
        let status = text.split("status: ").nth(1).and_then(|rest| rest.split(',').next());
        let records = text.lines().filter(|line| !line.starts_with(';') && !line.is_empty());
        let record = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        status.map(str::to_owned).into_iter().chain(records.map(record)).collect()
    }

    /// The addresses that a task is told.
    pub(super) fn addresses(&self, task: &str, words: &str) -> BTreeSet<Ipv4Addr> {
        let text = self.dig(task, &format!("+short {words}"));
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Runs `swarmlb detach` on n1, whose agent has ended.
    pub(super) fn detach(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_swarmlb"));
        command.arg("detach").arg("--pin-root").arg(self.cluster.pin_root("n1"));
        command.arg("--state-dir").arg(self.cluster.dir().join("state-n1"));
        let ended = self.cluster.run_in(&self.cluster.node("n1").ns, command).expect("detach");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
}

/// A list of texts, for comparison.
pub(super) fn lines<const N: usize>(lines: [&str; N]) -> Vec<String> {
    lines.map(str::to_owned).into()
}
