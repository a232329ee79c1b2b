//! What the kernel says beside the engine: namespaces that the engine made, IPVS, the port of its
//! overlay networks.

use std::{fs, path::Path};

use super::documents::Kernel;
use crate::{
    host::{netlink::Netlink, netns::Namespace},
    model::Netns,
};

/// There while the kernel's IPVS is loaded; dockerd loads it where it can.
const IPVS: [&str; 2] = ["/proc/net/ip_vs", "/proc/sys/net/ipv4/vs"];

/// What the kernel says, with the namespaces that have a file in `netns_dir`.
pub(super) fn read(netns_dir: &Path) -> Kernel {
    Kernel {
        namespaces: file_names(netns_dir),
        has_ipvs: IPVS.iter().any(|path| Path::new(path).exists()),
    }
}

/// The names in a directory, in order; none where it cannot be read.
fn file_names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// UDP port of the vxlan device in the namespace of an overlay network.
pub(super) async fn vxlan_port(namespace: &Path) -> Option<u16> {
    let namespace = Namespace::open(&Netns::Path(namespace.to_owned())).ok()?;
    Netlink::inside(&namespace).ok()?.vxlan_port().await.ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_has_no_namespaces() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(read(&dir.path().join("netns")).namespaces.is_empty());
        fs::write(dir.path().join("1-abcdefghij"), "").expect("a file");
        assert_eq!(read(dir.path()).namespaces, ["1-abcdefghij"]);
    }
}
