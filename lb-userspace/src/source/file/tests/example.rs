//! The example in the repository: it must stay valid, and what it derives must never move.

use std::path::Path;

use super::super::{DesiredState, load, parse_with};
use crate::{check, model::Netns};

fn example() -> (DesiredState, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/cluster.toml");
    let (state, warnings) = load(&path).unwrap();
    (state, warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn the_example_is_valid() {
    let (state, warnings) = example();
    assert_eq!(state.nodes.len(), 3);
    let express = &state.services[0];
    assert_eq!(express.tasks.len(), 2);
    assert!(express.tasks.iter().any(|task| task.netns == Netns::Path("/run/netns/me-2".into())));
    let first = &express.tasks[0];
    assert_eq!((first.name.as_str(), first.number), ("mongo-express.1", 409));
    assert_eq!(first.addresses["mongo_network"].to_string(), "10.119.145.153");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("host firewall rules"));
}

#[test]
fn the_file_in_the_readme_is_valid() {
    let readme = include_str!("../../../../../README.md");
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let (state, _) = parse_with(Path::new("README.md"), text, &|_| unreachable!()).unwrap();
    assert_eq!((state.nodes.len(), state.services[0].tasks.len()), (2, 2));
}

#[test]
fn the_plan_of_the_example_shows_every_part() {
    let (state, _) = example();
    let plan = check::plan(&state, Vec::new()).to_string();
    println!("{plan}");
    for part in ["198.18.0.3", "mongo_network", "80->8081/tcp ingress", "mongo-express.2", "ROWS"] {
        assert!(plan.contains(part), "{part} is missing in\n{plan}");
    }
}

#[test]
fn the_smallest_file_is_one_node() {
    let text = "[[node]]\nname = \"n1\"\naddress = \"198.18.0.1\"\n";
    let (state, warnings) = parse_with(Path::new("c.toml"), text, &|_| unreachable!()).unwrap();
    assert_eq!(state.cluster.vxlan_port, 4789);
    assert_eq!(state.cluster.mesh_vni, 4094);
    assert_eq!(state.cluster.gateway.to_string(), "172.31.0.0/16");
    assert_eq!(state.cluster.hold_ms, 300);
    assert!(warnings[0].to_string().contains("no seed"));
}
