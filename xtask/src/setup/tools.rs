//! The programs that scenario tests, the demo and the budget call, each with its Debian package
//! and the reason it is needed; and those that only the bench compares with.

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

/// What only `cargo xtask bench` needs. Files that are no programs are named by their path.
pub(super) const BENCH_TOOLS: [Tool; 5] = [
    Tool { command: "iperf3", package: "iperf3", reason: "bulk transfers of the bench" },
    Tool { command: "wrk", package: "wrk", reason: "requests of the bench" },
    Tool { command: "nginx", package: "nginx-light", reason: "answers the bench's requests" },
    Tool {
        command: "/usr/lib/nginx/modules/ngx_stream_module.so",
        package: "libnginx-mod-stream",
        reason: "a proxy that swarmlb is compared with",
    },
    Tool {
        command: "haproxy",
        package: "haproxy",
        reason: "a proxy that swarmlb is compared with",
    },
];

/// The tools that are not installed, of those that tests need, and of the bench's too if it shall run.
pub(super) fn missing(measuring: bool) -> Vec<&'static Tool> {
    let more = if measuring { &BENCH_TOOLS[..] } else { &[] };
    TOOLS.iter().chain(more).filter(|tool| find(tool.command).is_none()).collect()
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
        let all = || TOOLS.iter().chain(&BENCH_TOOLS);
        for tool in all() {
            assert_eq!(all().filter(|other| other.command == tool.command).count(), 1);
        }
    }
}
