//! Pinned maps by way of `bpftool`: what an operator could do to them behind the agent's back.

use std::fs;

use anyhow::{Context as _, Result};
use lb_testbed::Cluster;
use serde_json::Value;

/// An element of a map, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// All elements of a node's map.
pub(crate) fn elements(cluster: &Cluster, node: &str, map: &str) -> Result<Vec<Element>> {
    let line = format!("bpftool -j map dump pinned {}", pin(cluster, node, map));
    let text = cluster.sh_in(&cluster.node(node).ns, &line)?;
    let dump: Vec<Value> = serde_json::from_str(&text).context("a dump")?;
    let element =
        |one: &Value| Some(Element { key: bytes(&one["key"])?, value: bytes(&one["value"])? });
    dump.iter().map(element).collect::<Option<_>>().with_context(|| format!("{map} without bytes"))
}

fn bytes(of: &Value) -> Option<Vec<u8>> {
    let byte = |byte: &Value| u8::from_str_radix(byte.as_str()?.trim_start_matches("0x"), 16).ok();
    of.as_array()?.iter().map(byte).collect()
}

/// Removes elements.
pub(crate) fn delete(cluster: &Cluster, node: &str, map: &str, which: &[Element]) -> Result<()> {
    let pin = pin(cluster, node, map);
    let line = |one: &Element| format!("map delete pinned {pin} key hex {}\n", hex(&one.key));
    batch(cluster, node, &which.iter().map(line).collect::<String>())
}

/// Writes elements.
pub(crate) fn put(cluster: &Cluster, node: &str, map: &str, which: &[Element]) -> Result<()> {
    let pin = pin(cluster, node, map);
    let line = |one: &Element| {
        let (key, value) = (hex(&one.key), hex(&one.value));
        format!("map update pinned {pin} key hex {key} value hex {value}\n")
    };
    batch(cluster, node, &which.iter().map(line).collect::<String>())
}

/// Where a map is pinned.
pub(crate) fn pin(cluster: &Cluster, node: &str, map: &str) -> String {
    cluster.pin_root(node).join("v1/maps").join(map).display().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x} ")).collect()
}

fn batch(cluster: &Cluster, node: &str, script: &str) -> Result<()> {
    let file = cluster.dir().join(format!("batch-{node}"));
    fs::write(&file, script)?;
    let line = format!("bpftool batch file {}", file.display());
    cluster.sh_in(&cluster.node(node).ns, &line).map(drop)
}
