//! Chapter 5: one handshake as a packet capture on n3's wire saw it, and what the tunnel carries.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use anyhow::{Context as _, Result};
use lb_common::{addr::Mac, row::Row, wire};
use lb_testbed::{Capture, Session as _, TcpSession, eventually_some};

use crate::{
    cluster_file::{PUBLISHED, SERVICE},
    maps::{backends, inspect},
    stage::Stage,
    story::Story,
};

/// The entry node: one without a replica.
const ENTRY: &str = "n3";
/// How long a packet may take into the capture's file.
const CAPTURE_LIMIT: Duration = Duration::from_secs(5);
/// Lines of tcpdump for the first two packets of a handshake, tunnelled ones on two lines.
const HANDSHAKE_LINES: usize = 6;

pub(crate) fn tell(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("What is on the wire");
    let capture = story.during("capturing one connection on the wire of n3", || {
        let filter = format!("tcp port {PUBLISHED} or udp port {}", wire::VXLAN_PORT);
        let capture = stage.cluster.capture_wire(ENTRY, &filter)?;
        let to = SocketAddrV4::new(stage.cluster.address(ENTRY), PUBLISHED);
        let session = TcpSession::open(&stage.cluster.client().ns, to, 0).context("no answer")?;
        let lines = eventually_some(CAPTURE_LIMIT, "the handshake", || handshake(&capture))?;
        capture.stop(&[])?;
        Ok((session.first().task_name().to_owned(), lines))
    })?;
    let (task, lines) = capture;
    story.command(
        &format!("tcpdump -e -i {ENTRY}        # at the other end of n3's wire"),
        &readable(&lines),
    );
    explain(story, stage, &task, &lines)
}

/// SYN and SYN+ACK on all their ways, once they are in the capture.
fn handshake(capture: &Capture) -> Option<Vec<String>> {
    let lines = capture.lines(&["-e"]).ok()?;
    (lines.len() > HANDSHAKE_LINES).then(|| lines[..HANDSHAKE_LINES].to_vec())
}

/// Numbered, without what does not matter here: TCP options, and the Ethernet addresses of outer
/// frames.
fn readable(lines: &[String]) -> String {
    let mut inner = false;
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let (ethernet, packet) = line.split_once(", ethertype").unwrap_or(("", line));
        let packet = packet.split_once(": ").map_or(packet, |(_, packet)| packet);
        let packet = packet.split(", seq").next().unwrap_or(packet);
        let packet = packet.replace(", flags [I] (0x08)", "");
        let ethernet = if inner { format!("   {}, ", ethernet.trim()) } else { String::new() };
        let _ = writeln!(text, "{}  {ethernet}{packet}", at + 1);
        inner = packet.contains("VXLAN");
    }
    text
}

fn explain(story: &mut Story, stage: &Stage, task: &str, lines: &[String]) -> Result<()> {
    let vni = |vni: u32| lines.iter().position(|line| line.ends_with(&format!("vni {vni}")));
    let forward = vni(wire::MESH_VNI).context("no frame on the mesh VNI")?;
    let reply = vni(wire::MESH_VNI + 1).context("no frame on the reply VNI")?;
    let inner = lines.get(forward + 1).context("no inner frame")?;
    let (row, entry) = carried(inner).context("no inner MAC addresses")?;
    let names: BTreeMap<u64, String> = backends(&inspect(stage, ENTRY)?)?
        .into_iter()
        .map(|backend| (backend.number, backend.task))
        .collect();
    let owner = names.get(&u64::from(row.owner())).map_or("nobody", String::as_str);
    story.say(&format!(
        "Four packets, two of them in the tunnel. The client's SYN arrives at {ENTRY} (line 1) and\n\
         leaves it on VNI {} (2) as it came: the inner packet (3) still goes from the client to\n\
         the address it dialled. Inside a tunnel the inner MAC addresses have no use, so they\n\
         carry the row {:?}, whose owner {} is {owner}, and the entry node {entry}.\n\
         The reply comes back on VNI {} (4) with the dialled address as its source already (5),\n\
         and {ENTRY} only unpacks it (6).",
        wire::MESH_VNI,
        row.backends,
        row.owner(),
        wire::MESH_VNI + 1,
    ));
    println!();
    let client = stage.cluster.client().address.to_string();
    story.check(inner.contains(&format!(" {client}.")), "the client's address crosses the tunnel");
    story.check(reply > forward, "the reply came back through the tunnel");
    let same = owner == task;
    story.check(same, &format!("the row names {owner} of {SERVICE}, and {task} answered"));
    story.check(entry == stage.cluster.address(ENTRY), "the frame names its entry node");
    Ok(())
}

/// Row and entry node from the MAC addresses of an inner frame: `source > destination, ...`.
fn carried(line: &str) -> Option<(Row, Ipv4Addr)> {
    let (src, rest) = line.trim().split_once(" > ")?;
    let (dst, _) = rest.split_once(',')?;
    let (row, entry) = wire::carried(mac(dst)?, mac(src)?);
    Some((row, entry.into()))
}

fn mac(text: &str) -> Option<Mac> {
    let bytes: Option<Vec<u8>> =
        text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTER: &str = "4a:d0:21:1c:3f:e2 > 6e:10:4c:28:fd:82, ethertype IPv4 (0x0800), length 124: \
                         198.18.0.3.49303 > 198.18.0.2.4789: VXLAN, flags [I] (0x08), vni 4094";
    const INNER: &str = "00:00:c6:12:00:03 > 00:61:00:00:00:00, ethertype IPv4 (0x0800), length 74: \
                         198.18.0.101.4423 > 198.18.0.3.8080: Flags [S], seq 39, win 64240, length 0";

    #[test]
    fn inner_ethernet_addresses_are_read_as_row_and_entry() {
        let (row, entry) = carried(INNER).unwrap();
        assert_eq!((row, entry), (Row::of(97), Ipv4Addr::new(198, 18, 0, 3)));
        assert_eq!(carried("198.18.0.3.1 > 198.18.0.2.2: UDP"), None);
    }

    #[test]
    fn only_inner_frames_keep_their_ethernet_addresses() {
        let text = readable(&[OUTER.into(), INNER.into()]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "1  198.18.0.3.49303 > 198.18.0.2.4789: VXLAN, vni 4094");
        assert!(
            lines[1].contains("00:61:00:00:00:00, 198.18.0.101.4423 > 198.18.0.3.8080: Flags [S]")
        );
        assert!(lines[1].ends_with("[S]"));
    }
}
