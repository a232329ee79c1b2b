//! Chapter 4: what the kernel looks at for each packet, read with nothing but `bpftool`.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    cluster_file::{PUBLISHED, SERVICE},
    stage::Stage,
    story::Story,
};

/// Node whose maps are shown: the one without a replica at first.
const NODE: &str = "n3";

/// A backend of the service as `swarmlb service inspect` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) number: u64,
    pub(crate) task: String,
    pub(crate) node: String,
}

pub(crate) fn tell(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("The tables behind it, in the kernel");
    story.say(
        "The agents are not asked about packets: the programs read maps, which anybody with root\n\
         can read along. A port leads to a service, the service to its rows, a row to a backend:",
    );
    let maps = stage.cluster.pin_root(NODE).join("v1/maps");
    let inspected = inspect(stage, NODE)?;
    let port = excerpt(story, &maps, "PORTS", u64::from(PUBLISHED), 1)?;
    let first_row = inspected["rows"]["base"].as_u64().context("no rows")?;
    let rows = excerpt(story, &maps, "ROWS", first_row, 3)?;
    let base = inspected["backend_range"]["base"].as_u64().context("no backends")?;
    let backends = backends(&inspected)?;
    let mut shown = Vec::new();
    for backend in &backends {
        shown.push(excerpt(story, &maps, "BACKENDS", base + backend.number, 1)?);
    }
    let numbers = backends.iter().map(|b| format!("{:>6}  {} on {}", b.number, b.task, b.node));
    story.say(&format!(
        "A row is eight bytes: the backend that owns this share of the clients, then those that\n\
         owned it before (none yet). Backend numbers:\n{}",
        numbers.collect::<Vec<_>>().join("\n")
    ));
    println!();
    let owners = backends.iter().map(|backend| format!("[{},0,0,0", backend.number));
    let owned = owners.collect::<Vec<_>>();
    let known = rows.lines().filter(|line| line.contains("\"backends\""));
    let all_known = known.clone().all(|line| owned.iter().any(|owner| line.contains(owner)));
    story.check(port.contains("\"service\": 1"), "the port's element names the service");
    story.check(known.count() == 3 && all_known, "each row is owned by one of the replicas");
    let active = shown.iter().all(|backend| backend.contains("\"state\": 1"));
    story.check(active, "each backend is active, and on a node that PEERS knows");
    Ok(())
}

/// Shows `count` elements from key `from` on, as `bpftool map dump` prints them.
fn excerpt(story: &Story, maps: &Path, map: &str, from: u64, count: u64) -> Result<String> {
    let path = maps.join(map);
    let mut dump = Command::new("bpftool");
    dump.args(["map", "dump", "pinned"]).arg(&path);
    let mut child = dump.stdout(Stdio::piped()).spawn().context("cannot run bpftool")?;
    let lines = BufReader::new(child.stdout.take().context("bpftool has no output")?).lines();
    let first = format!("\"key\": {from},");
    let past = format!("\"key\": {},", from + count);
    let from_first = lines.map_while(Result::ok).skip_while(|line| line.trim() != first);
    let wanted: Vec<String> = from_first.take_while(|line| line.trim() != past).collect();
    // The maps have millions of elements; what was wanted has been read.
    let _ = child.kill();
    child.wait()?;
    let text = tidy(&wanted.join("\n"));
    story.command(&format!("bpftool map dump pinned {}", path.display()), &text);
    Ok(text)
}

/// An element on one line.
fn tidy(dump: &str) -> String {
    let words = dump.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace("} },{ ", "}\n").replace(" ] }", "] }").trim_end_matches(" },{").to_owned()
}

/// `swarmlb service inspect` for programs.
pub(crate) fn inspect(stage: &Stage, node: &str) -> Result<Value> {
    let json = stage.swarmlb(node, &["service", "inspect", SERVICE, "--output", "json"])?;
    Ok(serde_json::from_str(&json)?)
}

/// The service's backends with their numbers.
pub(crate) fn backends(inspected: &Value) -> Result<Vec<Numbered>> {
    let list = inspected["backends"].as_array().context("no backends")?;
    let numbered = |backend: &Value| {
        Some(Numbered {
            number: backend["number"].as_u64()?,
            task: backend["task"].as_str()?.to_owned(),
            node: backend["node"].as_str()?.to_owned(),
        })
    };
    list.iter().map(|backend| numbered(backend).context("a backend without a name")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_element_gets_one_line() {
        let dump = "\"key\": 0,\n \"value\": {\n \"backends\": [97,0,0,0\n ]\n }\n },{\n\
                    \"key\": 1,\n \"value\": {\n \"backends\": [97,0,0,0\n ]\n }\n },{";
        let lines = tidy(dump);
        assert_eq!(lines.lines().count(), 2, "{lines}");
        assert!(lines.starts_with("\"key\": 0, \"value\": { \"backends\": [97,0,0,0"), "{lines}");
    }
}
