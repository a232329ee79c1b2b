//! Problems of a node told before anything is touched.

use lb_userspace::host::{Netlink, preflight};

use crate::{network::two_nodes, world::is_root};

fn problems(node: &crate::world::TestNs, addr: [u8; 4], names: &[&str]) -> Vec<String> {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let found = node.block_on(async || {
        preflight::interfaces(&Netlink::here().unwrap(), addr.into(), &names, &[]).await.unwrap()
    });
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn interfaces_are_judged() {
    if !is_root() {
        return;
    }
    let (node, _peer) = two_nodes();
    assert_eq!(problems(&node, [198, 18, 0, 1], &[]), [""; 0]);
    assert_eq!(problems(&node, [198, 18, 0, 1], &["eth0"]), [""; 0]);
    let missing = problems(&node, [198, 18, 0, 1], &["eth7"]);
    assert!(
        missing[0].contains("eth7") && missing[0].contains("name one of: lo, eth0"),
        "{missing:?}"
    );
    let nowhere = problems(&node, [198, 18, 0, 9], &[]);
    assert!(nowhere[0].contains("198.18.0.9"), "{nowhere:?}");
    node.sh("ip link set eth0 down mtu 1200");
    assert_eq!(problems(&node, [198, 18, 0, 1], &[]).len(), 2);
}

#[test]
fn this_machine_can_carry_the_data_plane() {
    if !is_root() {
        return;
    }
    let problems = preflight::system(std::path::Path::new("/sys/fs/bpf/swarmlb"));
    assert_eq!(problems, [], "these tests run where the data plane runs");
    assert!(preflight::cgroup2_root().unwrap().join("cgroup.procs").exists());
    let elsewhere = preflight::system(std::path::Path::new("/tmp/swarmlb"));
    assert!(elsewhere[0].to_string().contains("mount -t bpf"), "{elsewhere:?}");
}
