//! Which process has a port: from the kernel's socket tables to a process's open files.

use std::{fmt, fs, path::Path};

use super::Port;
use crate::model::Protocol;

/// A process that has a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub pid: i32,
    /// Its name, as `ps` shows it.
    pub name: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// The process that has a port, if /proc shows it.
pub(super) fn of((protocol, port): Port) -> Option<Owner> {
    let tables = match protocol {
        Protocol::Tcp => ["tcp", "tcp6"],
        Protocol::Udp => ["udp", "udp6"],
    };
    let inode = tables.iter().find_map(|table| {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{table}")).ok()?;
        text.lines().find_map(|line| inode_with(line, port)).map(ToOwned::to_owned)
    })?;
    let link = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find_map(|pid: i32| {
        let name = || fs::read_to_string(format!("/proc/{pid}/comm")).ok();
        has_open(pid, &link).then(name)?.map(|name| Owner { pid, name: name.trim().into() })
    })
}

/// The socket of a line of /proc/net/{tcp,udp} whose local port this is:
/// `sl local_address rem_address st queues tr tm->when retrnsmt uid timeout inode ...`.
fn inode_with(line: &str, port: u16) -> Option<&str> {
    const LOCAL_ADDRESS: usize = 1;
    const INODE: usize = 9;
    let fields: Vec<_> = line.split_whitespace().collect();
    let (_, local) = fields.get(LOCAL_ADDRESS)?.rsplit_once(':')?;
    let matches = u16::from_str_radix(local, 16) == Ok(port);
    let inode = *fields.get(INODE)?;
    // Connections that no process holds any more have no socket.
    (matches && inode != "0").then_some(inode)
}

fn has_open(pid: i32, link: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|to| to == Path::new(link)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_net_tcp_is_read() {
        let line = "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  \
                       0        0 43210 1 0000000000000000 100 0 0 10 0";
        assert_eq!(inode_with(line, 8080), Some("43210"));
        assert_eq!(inode_with(line, 8081), None);
        assert_eq!(inode_with("  sl  local_address rem_address   st", 0), None);
    }
}
