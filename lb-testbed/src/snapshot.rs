//! What a node looks like, for comparison before and after: links, addresses, routes, neighbours,
//! firewall, offloads, sysctls and pins, as lines of text, without what changes by itself.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    cluster::Cluster,
    netns::{Ns, in_ns},
};

/// Keys of `ip -j` output that change by themselves.
const VOLATILE_KEYS: [&str; 11] = [
    "forward_delay_timer",
    "gc_timer",
    "hello_timer",
    "hold_timer",
    "message_age_timer",
    "preferred_life_time",
    "promiscuity",
    "tcn_timer",
    "topology_change_timer",
    "used",
    "valid_life_time",
];
/// Directories under `/proc/sys/net` that belong to the namespace.
const SYSCTL_DIRS: [&str; 2] = ["/proc/sys/net/ipv4", "/proc/sys/net/netfilter"];
/// Sysctls that count.
const VOLATILE_SYSCTLS: [&str; 1] = ["nf_conntrack_count"];

/// The state of a namespace, and of a node's pins: how often each line occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    lines: BTreeMap<String, usize>,
}

impl Cluster {
    /// The state of a node with its pins.
    ///
    /// # Errors
    /// A tool is missing or fails.
    pub fn snapshot(&self, node: &str) -> Result<Snapshot> {
        let mut snapshot = self.snapshot_ns(&self.node(node).ns)?;
        let root = self.pin_root(node);
        for path in files_under(&root) {
            snapshot.add(format!("pin {}", path.display()));
        }
        if root.exists() {
            snapshot.add(format!("pin root {}", root.display()));
        }
        Ok(snapshot)
    }

    /// The state of any namespace of the cluster.
    ///
    /// # Errors
    /// A tool is missing or fails.
    pub fn snapshot_ns(&self, ns: &Ns) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        for (name, line) in [
            ("link", "ip -d -j link"),
            ("address", "ip -j addr"),
            ("route", "ip -j route show table all"),
            ("rule", "ip -j rule"),
            ("neighbour", "ip -j neigh show nud permanent"),
        ] {
            snapshot.add_json(name, &self.sh_in(ns, line)?)?;
        }
        for device in self.devices(ns)? {
            let features = self.sh_in(ns, &format!("ethtool -k {device}"))?;
            features.lines().skip(1).for_each(|line| snapshot.add(format!("{device} {line}")));
        }
        let rules = self.sh_in(ns, "nft list ruleset")?;
        rules.lines().for_each(|line| snapshot.add(format!("nft {}", without_counts(line))));
        in_ns(ns, sysctls)?.into_iter().for_each(|line| snapshot.add(line));
        Ok(snapshot)
    }

    fn devices(&self, ns: &Ns) -> Result<Vec<String>> {
        let links: Vec<Value> = serde_json::from_str(&self.sh_in(ns, "ip -j link")?)?;
        let name = |link: &Value| link["ifname"].as_str().map(str::to_owned);
        Ok(links.iter().filter_map(name).collect())
    }
}

impl Snapshot {
    /// What is different `later`: lines that went, with `-`, and lines that came, with `+`.
    #[must_use]
    pub fn difference(&self, later: &Self) -> Vec<String> {
        let gone = self.lines.iter().filter(|(line, count)| later.count(line) < **count);
        let new = later.lines.iter().filter(|(line, count)| self.count(line) < **count);
        let gone = gone.map(|(line, _)| format!("- {line}"));
        gone.chain(new.map(|(line, _)| format!("+ {line}"))).collect()
    }

    fn count(&self, line: &str) -> usize {
        self.lines.get(line).copied().unwrap_or(0)
    }

    fn add(&mut self, line: String) {
        *self.lines.entry(line).or_default() += 1;
    }

    /// Adds each element of a JSON array, each of its values as a line of its own.
    fn add_json(&mut self, name: &str, text: &str) -> Result<()> {
        let text = if text.trim().is_empty() { "[]" } else { text };
        let elements: Vec<Value> =
            serde_json::from_str(text).with_context(|| format!("output of ip for {name}"))?;
        for element in &elements {
            let key = ["ifname", "dst"].into_iter().find_map(|key| element[key].as_str());
            flatten(&format!("{name} {}", key.unwrap_or("")), element, &mut |line| self.add(line));
        }
        Ok(())
    }
}

fn flatten(path: &str, value: &Value, sink: &mut impl FnMut(String)) {
    match value {
        Value::Object(fields) => {
            let lasting = fields.iter().filter(|(key, _)| !VOLATILE_KEYS.contains(&key.as_str()));
            lasting.for_each(|(key, value)| flatten(&format!("{path}.{key}"), value, sink));
        }
        Value::Array(items) => items.iter().for_each(|item| flatten(path, item, sink)),
        leaf => sink(format!("{path} = {leaf}")),
    }
}

/// `counter packets 3 bytes 252` changes with every packet.
fn without_counts(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    for at in 1..words.len() {
        if matches!(words[at - 1], "packets" | "bytes") {
            words[at] = "_";
        }
    }
    words.join(" ")
}

/// All readable sysctls of the calling thread's network namespace.
fn sysctls() -> Vec<String> {
    let files = SYSCTL_DIRS.iter().flat_map(|dir| files_under(Path::new(dir)));
    let lasting = files.filter(|path| !VOLATILE_SYSCTLS.iter().any(|name| path.ends_with(name)));
    let line = |path: PathBuf| {
        let value = fs::read_to_string(&path).ok()?;
        Some(format!("{} = {}", path.display(), value.trim()))
    };
    lasting.filter_map(line).collect()
}

/// All files under a directory, in order; none if it does not exist.
fn files_under(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let expand = |path: PathBuf| if path.is_dir() { files_under(&path) } else { vec![path] };
    paths.into_iter().flat_map(expand).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_go_both_ways_and_count() {
        let mut before = Snapshot::default();
        let text = r#"[{"ifname":"eth0","mtu":1500,"flags":["UP"],"gc_timer":1}]"#;
        before.add_json("link", text).unwrap();
        let mut after = Snapshot::default();
        let text = r#"[{"ifname":"eth0","mtu":1400,"flags":["UP","UP"],"gc_timer":2}]"#;
        after.add_json("link", text).unwrap();
        let wanted =
            ["- link eth0.mtu = 1500", "+ link eth0.flags = \"UP\"", "+ link eth0.mtu = 1400"];
        assert_eq!(before.difference(&after), wanted);
        assert!(before.difference(&before.clone()).is_empty());
    }

    #[test]
    fn counters_do_not_count() {
        let line = "counter packets 3 bytes 252 masquerade";
        assert_eq!(without_counts(line), "counter packets _ bytes _ masquerade");
    }
}
