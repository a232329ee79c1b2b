//! Chapter 7: one frame of the overlay network as a packet capture on n1's wire saw it.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context as _, Result};
use lb_testbed::{Session as _, TcpSession, eventually_some, vni_filter};

use crate::{
    stage::{FRONT_NODE, FRONT_TASK, Stage, VNI},
    story::Story,
};

/// How long a packet may take into the capture's file.
const CAPTURE_LIMIT: Duration = Duration::from_secs(5);
/// What an envelope takes: outer IPv4, UDP, VXLAN and inner Ethernet headers, bytes.
const ENVELOPE_BYTES: u32 = 50;

pub(crate) fn tell(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("What is on the wire");
    story.say("A packet on its way from mongo-express to another node, seen at the wire of n1:\n ");
    let vip = stage.vip()?;
    let (task, frame) =
        story.during("capturing a connection from mongo-express to mongo", || {
            let capture = stage.cluster.capture_wire(FRONT_NODE, &vni_filter(VNI))?;
            let session = TcpSession::open(stage.front()?, vip, 0).context("no answer")?;
            let frame = eventually_some(CAPTURE_LIMIT, "the first frame", || {
                Frame::parse(&capture.lines(&["-e"]).ok()?)
            })?;
            capture.stop(&[])?;
            Ok((session.first().task_name().to_owned(), frame))
        })?;
    let command = format!("tcpdump -e -i {FRONT_NODE} '{}'", vni_filter(VNI));
    story.command(&command, &format!("{}\n    {}", frame.outer, frame.inner));
    let backend = stage.resolve(&task)?;
    let own = stage.resolve(FRONT_TASK)?;
    story.say(&format!(
        "The outer packet (first line) goes from node to node, as any UDP packet does. It is the\n\
         envelope (VXLAN, {ENVELOPE_BYTES} bytes) and bears the network's number, {VNI}. In it, as it would be on\n\
         a switch, is the task's own frame: from {} to {}, {task},\n\
         because the virtual IP {} was replaced before it left the task's node.",
        list(&own),
        list(&backend),
        vip.ip()
    ));
    println!();
    let node = stage.file.services.iter().flat_map(|service| &service.tasks);
    let node = node.clone().find(|other| other.name == task).context("an unknown task")?;
    let (from, to) = (stage.cluster.address(FRONT_NODE), stage.cluster.address(&node.node));
    let outer =
        frame.outer.contains(&format!("{from}.")) && frame.outer.contains(&format!("{to}."));
    story.check(outer, &format!("the envelope goes from {FRONT_NODE} to {}", node.node));
    let inner =
        own.iter().chain(&backend).all(|address| frame.inner.contains(&address.to_string()));
    story.check(inner, &format!("the packet in it goes from {FRONT_TASK} to {task}"));
    let bare = !frame.inner.contains(&format!("{}.", vip.ip()));
    story.check(bare, "the virtual IP itself is never on the wire");
    Ok(())
}

fn list(addresses: &[Ipv4Addr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A tunnelled frame as tcpdump shows it on two lines.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    outer: String,
    inner: String,
}

impl Frame {
    /// The first TCP packet that opens a connection, without what does not matter here.
    fn parse(lines: &[String]) -> Option<Self> {
        let pairs = lines.windows(2).filter(|pair| pair[0].contains("VXLAN"));
        let opening = pairs.clone().find(|pair| pair[1].contains("Flags [S]"))?;
        let (_, outer) = opening[0].split_once(", length ")?;
        let (_, outer) = outer.split_once(": ")?;
        let inner = opening[1].split(", seq").next()?;
        let inner = inner.replace(", ethertype IPv4 (0x0800), length", ", length");
        let outer = outer.replace(", flags [I] (0x08)", "");
        Some(Self { outer, inner: inner.trim().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTER: &str = "4a:d0:21:1c:3f:e2 > 6e:10:4c:28:fd:82, ethertype IPv4 (0x0800), length 124: \
                         198.18.0.1.49303 > 198.18.0.2.4789: VXLAN, flags [I] (0x08), vni 5000";
    const INNER: &str = "02:42:0a:14:00:03 > 02:42:0a:14:00:07, ethertype IPv4 (0x0800), length 74: \
                         10.20.0.3.4423 > 10.20.0.7.27017: Flags [S], seq 39, win 64240, length 0";

    #[test]
    fn the_opening_frame_is_found_and_read() {
        let arp = "02:42:0a:14:00:03 > 02:42:0a:14:00:07, ethertype ARP".to_owned();
        let lines = [OUTER.to_owned(), arp, OUTER.to_owned(), INNER.to_owned()];
        let frame = Frame::parse(&lines).unwrap();
        assert_eq!(frame.outer, "198.18.0.1.49303 > 198.18.0.2.4789: VXLAN, vni 5000");
        assert!(frame.inner.starts_with("02:42:0a:14:00:03 > 02:42:0a:14:00:07, length 74: 10.20"));
        assert!(frame.inner.ends_with("Flags [S]"), "{}", frame.inner);
        assert_eq!(Frame::parse(&lines[..2]), None);
    }
}
