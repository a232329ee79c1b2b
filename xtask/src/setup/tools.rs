//! The programs that scenario tests, the demo and the budget call, each with its Debian package
//! and the reason it is needed. Nothing here brings a daemon: the tests' servers are our own.

use std::{
    env,
    path::{Path, PathBuf},
};

/// One external program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tool {
    /// What is called.
    pub(super) command: &'static str,
    /// The Debian package that has it.
    pub(super) package: &'static str,
    /// Who needs it, for what.
    pub(super) reason: &'static str,
}

/// All of them.
pub(super) const TOOLS: [Tool; 12] = [
    Tool {
        command: "ip",
        package: "iproute2",
        reason: "makes the test-bed's namespaces and links",
    },
    Tool { command: "bpftool", package: "bpftool", reason: "verifier budget, readable map dumps" },
    Tool {
        command: "ethtool",
        package: "ethtool",
        reason: "offloads that make veths act as wires",
    },
    Tool { command: "nft", package: "nftables", reason: "masquerades what tasks send outside" },
    Tool { command: "dig", package: "bind9-dnsutils", reason: "asks tasks' resolvers in tests" },
    Tool { command: "curl", package: "curl", reason: "the client of the demo" },
    Tool {
        command: "sysctl",
        package: "procps",
        reason: "sets nodes up in tests as distributions do",
    },
    Tool { command: "ping", package: "iputils-ping", reason: "shows that legs carry packets" },
    Tool {
        command: "dockerd",
        package: "docker.io",
        reason: "the engines of a real Swarm in tests",
    },
    Tool { command: "docker", package: "docker.io", reason: "makes that Swarm and its services" },
    Tool { command: "iptables", package: "iptables", reason: "Docker Engines need it" },
    Tool { command: "tcpdump", package: "tcpdump", reason: "shows what the underlay carries" },
];

/// The tools that are not installed.
pub(super) fn missing() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| find(tool.command).is_none()).collect()
}

/// Finds a program in `PATH` and, as a plain user's path may lack them, in the system's own
/// directories.
pub(super) fn find(command: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(command))
        .find(|file| Path::is_file(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_found_and_nonsense_is_not() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program"), None);
    }

    #[test]
    fn each_tool_is_listed_once() {
        for tool in &TOOLS {
            assert_eq!(TOOLS.iter().filter(|other| other.command == tool.command).count(), 1);
        }
    }
}
