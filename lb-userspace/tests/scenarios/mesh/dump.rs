//! Maps as a person with `bpftool` sees them: tables with field names.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::bed::{Bed, web};

/// Lines of a dump that are looked at: `ROWS` has four million elements.
const LINES: usize = 200;

#[test]
fn pinned_maps_print_field_names() -> Result<()> {
    let bed = Bed::new(&[web(&["n1", "n2"])])?;
    let maps = bed.cluster.pin_root("n1").join("v1/maps");
    for (map, fields) in [
        ("PORTS", &["service", "target"][..]),
        ("SERVICES", &["rows", "backends", "scheduler", "seed"]),
        ("ROWS", &["backends"]),
        ("BACKENDS", &["node", "leg", "state", "generation"]),
        ("PEERS", &["addr", "mtu", "flags"]),
        ("LEGS", &["addr", "ifindex", "mtu"]),
    ] {
        let dump = dump(&maps.join(map))?;
        for field in fields {
            ensure!(dump.contains(&format!("\"{field}\":")), "{map} has no {field}:\n{dump}");
        }
    }
    Ok(())
}

/// The beginning of a map as `bpftool` prints it.
fn dump(map: &Path) -> Result<String> {
    let mut command = Command::new("bpftool");
    command.args(["map", "dump", "pinned"]).arg(map).stdout(Stdio::piped());
    let mut bpftool = command.spawn().context("cannot run bpftool")?;
    let output = BufReader::new(bpftool.stdout.take().context("bpftool has no output")?);
    let lines: Vec<String> = output.lines().take(LINES).collect::<Result<_, _>>()?;
    bpftool.kill()?;
    bpftool.wait()?;
    Ok(lines.join("\n"))
}
