//! Chapter 8: what the kernel looks at for each packet in the overlay network, read with nothing but
//! `bpftool`.

use std::process::Command;

use anyhow::{Context as _, Result};
use lb_common::endpoint::{ENDPOINT_GATEWAY, ENDPOINT_NETWORK, ENDPOINT_TASK, ENDPOINT_VIP};

use crate::{
    stage::{FRONT_NODE, Stage, VNI},
    story::Story,
};

pub(crate) fn tell(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("The table behind it, in the kernel");
    story.say(&format!(
        "The agents are not asked about packets: the programs look into tables, which anybody with\n\
         root can read along. This one says who has which address in network {VNI}. kind is\n\
         {ENDPOINT_TASK} for a task, {ENDPOINT_VIP} for a virtual IP, {ENDPOINT_GATEWAY} for a gateway, {ENDPOINT_NETWORK} for the network itself; ifindex is\n\
         the interface to a task on this node, node the number of the one to send to otherwise:"
    ));
    let map = stage.cluster.pin_root(FRONT_NODE).join("v1/maps/ENDPOINTS");
    let mut dump = Command::new("bpftool");
    dump.args(["map", "dump", "pinned"]).arg(&map);
    let output = dump.output().context("cannot run bpftool")?;
    let elements = elements(&String::from_utf8_lossy(&output.stdout));
    let command = format!("bpftool map dump pinned {}        # on {FRONT_NODE}", map.display());
    story.command(&command, &elements.join("\n"));
    println!();
    let vip = stage.vip()?.ip().octets().map(|byte| byte.to_string()).join(",");
    let known = |kind: u8| {
        let kind = format!("\"kind\": {kind},");
        elements.iter().filter(move |element| element.contains(&kind))
    };
    let vips = known(ENDPOINT_VIP).filter(|element| element.contains(&format!("[{vip}")));
    story.check(vips.count() == 1, "the virtual IP of mongo is in it");
    let tasks = known(ENDPOINT_TASK).count();
    story.check(tasks == 3, &format!("{tasks} tasks are in it, on all three nodes"));
    Ok(())
}

/// The elements of a map as bpftool prints them, each on one line.
fn elements(dump: &str) -> Vec<String> {
    let words = dump.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = words.trim_start_matches("[{ ").trim_end_matches(" } ]").trim_end_matches(" }]");
    words.split(" },{ ").map(|element| element.replace(" ]", "]")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_element_gets_one_line() {
        let dump = "[{\n \"key\": {\n \"vni\": 5,\n \"addr\": [10,0,0,1\n ]\n },\n \"value\": {\n \
                    \"kind\": 1\n }\n },{\n \"key\": {\n \"vni\": 6\n },\n \"value\": {\n \"kind\": \
                    2\n }\n }\n]";
        let elements = elements(dump);
        assert_eq!(elements.len(), 2, "{elements:?}");
        assert_eq!(
            elements[0],
            "\"key\": { \"vni\": 5, \"addr\": [10,0,0,1] }, \"value\": { \"kind\": 1 }"
        );
    }
}
