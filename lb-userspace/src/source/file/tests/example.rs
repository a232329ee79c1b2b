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
    let [mongo, express] = &state.services[..] else { panic!("two services expected") };
    assert_eq!((mongo.tasks.len(), express.tasks.len()), (2, 1));
    assert_ne!(mongo.tasks[0].node, mongo.tasks[1].node);
    let first = &express.tasks[0];
    assert_eq!((first.name.as_str(), first.number), ("mongo-express.1", 409));
    assert_eq!(first.netns, Netns::Path("/run/netns/me-1".into()));
    assert_eq!(first.addresses["mongo_network"].to_string(), "10.119.145.153");
    assert_eq!(mongo.vips["mongo_network"].to_string(), "10.119.144.236");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("host firewall rules"));
}

/// What the example says in comments is right, too, once the explicit values are taken.
#[test]
fn the_commented_keys_of_the_example_are_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/cluster.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, several) = text.split_once("# Or several").unwrap();
    let (_, behind) = several.split_once("# ]").unwrap();
    let is_key = |line: &str| {
        line.starts_with("# [") || line.starts_with("# ") && line.split(' ').nth(2) == Some("=")
    };
    let uncommented = |line: &str| line.strip_prefix("# ").unwrap_or(line).to_owned();
    let lines = before.lines().chain(behind.lines());
    let lines = lines.map(|line| if is_key(line) { uncommented(line) } else { line.to_owned() });
    let text = lines.collect::<Vec<_>>().join("\n");
    let (state, _) =
        parse_with(&path, &text, &|_| unreachable!()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(state.networks[0].first.vni, 5000);
    assert_eq!(state.services[0].tasks[0].addresses["mongo_network"].to_string(), "10.20.0.11");
}

#[test]
fn the_files_in_the_readme_are_valid() {
    let readme = include_str!("../../../../../README.md");
    let files = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let read = |text| parse_with(Path::new("README.md"), text, &|_| Ok("secret".to_owned()));
    let sizes: Vec<_> = files
        .map(|text| read(text).map(|(state, _)| (state.nodes.len(), state.services.len())))
        .collect::<Result<_, _>>()
        .unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(sizes, [(2, 2), (2, 1)]);
}

#[test]
fn the_plan_of_the_example_shows_every_part() {
    let (state, _) = example();
    let plan = check::plan(&state, Vec::new()).to_string();
    println!("{plan}");
    for part in [
        "198.18.0.3",
        "mongo_network",
        "80->8081/tcp ingress",
        "mongo-express.1",
        "mongo@mongo_network",
        "ROWS",
        "ENDPOINTS",
    ] {
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
