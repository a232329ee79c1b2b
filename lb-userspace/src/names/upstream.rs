//! The name servers to ask: those of the cluster file, else those of the node's own resolv.conf, read
//! afresh when it changes.
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::model::RESOLVER;

/// The node's own.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Port of name servers, which resolv.conf cannot change.
const DNS_PORT: u16 = 53;

/// The servers that a resolv.conf names.
#[derive(Debug)]
pub(super) struct Upstreams {
    path: PathBuf,
    read: Mutex<(Option<Stamp>, Vec<SocketAddr>)>,
}

/// Device, inode, size, time of change: what tells one state of a file from another.
type Stamp = (u64, u64, u64, i64, i64);

impl Upstreams {
    /// Those of the file at `path`, which need not exist.
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), read: Mutex::default() }
    }

    /// Whom to ask: `configured`, if it names somebody.
    pub(super) fn servers(&self, configured: &[SocketAddr]) -> Vec<SocketAddr> {
        if !configured.is_empty() {
            return configured.to_vec();
        }
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.path);
        if read.0 != stamp || stamp.is_none() {
            *read = (stamp, parse(&fs::read_to_string(&self.path).unwrap_or_default()));
        }
        read.1.clone()
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}

/// The `nameserver` lines; our own address would lead in a circle.
fn parse(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let is_server = words.next() == Some("nameserver");
        words.next().filter(|_| is_server)?.parse::<IpAddr>().ok()
    };
    let others = text.lines().filter_map(server).filter(|server| *server != RESOLVER);
    others.map(|server| SocketAddr::new(server, DNS_PORT)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_of_a_resolv_conf_are_read_and_our_own_is_not() {
        let text = "# nameserver 9.9.9.9\nsearch a.b\nnameserver 10.0.0.2\n nameserver\t2001:db8::1 \n\
                    nameserver 127.0.0.11\nnameserver dns.example\nnameservers 1.1.1.1\nnameserver";
        let shown: Vec<_> = parse(text).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.0.0.2:53", "[2001:db8::1]:53"]);
    }

    #[test]
    fn the_file_is_read_again_when_it_changes_and_the_cluster_file_goes_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("resolv.conf");
        let upstreams = Upstreams::of(&path);
        assert_eq!(upstreams.servers(&[]), []);
        fs::write(&path, "nameserver 10.0.0.2\n").unwrap();
        assert_eq!(upstreams.servers(&[]).len(), 1);
        fs::write(&path, "nameserver 10.0.0.2\nnameserver 10.0.0.3\n").unwrap();
        assert_eq!(upstreams.servers(&[]).len(), 2);
        let configured = [SocketAddr::from(([10, 9, 9, 9], 5353))];
        assert_eq!(upstreams.servers(&configured), configured);
    }
}
