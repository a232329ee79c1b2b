//! Frames out of a capture file (pcap, <https://www.tcpdump.org/manpages/pcap-savefile.5.html>), as
//! input for programs.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use lb_common::{port::UDP, wire};

/// Length of a capture file's header, bytes.
const FILE_HEADER: usize = 24;
/// Length of the header before each frame, bytes; its length stands at 8.
const FRAME_HEADER: usize = 16;
/// Offset of the IP protocol number in a frame without VLAN.
const PROTOCOL: usize = 23;
/// Offset of the destination port in a frame without IP options.
const DESTINATION_PORT: usize = 36;
/// Offset of the source port.
const SOURCE_PORT: usize = 34;
/// Offset of the VXLAN network identifier.
const VNI: usize = 46;

/// All frames of a capture file that this machine wrote.
pub(crate) fn read(file: &Path) -> Result<Vec<Vec<u8>>> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut rest = bytes.get(FILE_HEADER..).unwrap_or_default();
    let mut frames = Vec::new();
    while let Some(len) = rest.get(8..12).and_then(|len| len.try_into().ok()) {
        let end = FRAME_HEADER + u32::from_ne_bytes(len) as usize;
        let Some(frame) = rest.get(FRAME_HEADER..end) else { break };
        frames.push(frame.to_vec());
        rest = &rest[end..];
    }
    Ok(frames)
}

/// Whether it is a frame of this tunnel network.
pub(crate) fn is_tunnel(frame: &[u8], vni: u32) -> bool {
    let [_, a, b, c] = vni.to_be_bytes();
    frame.get(PROTOCOL) == Some(&UDP)
        && port(frame, DESTINATION_PORT) == Some(wire::VXLAN_PORT)
        && frame.get(VNI..VNI + 3) == Some(&[a, b, c])
}

/// Whether it goes to this port, outside any tunnel.
pub(crate) fn is_to(frame: &[u8], to: u16) -> bool {
    port(frame, DESTINATION_PORT) == Some(to)
}

/// Whether it comes from this port.
pub(crate) fn is_from(frame: &[u8], from: u16) -> bool {
    port(frame, SOURCE_PORT) == Some(from)
}

/// The same frame to another port.
pub(crate) fn to_port(frame: &[u8], to: u16) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if let Some(port) = frame.get_mut(DESTINATION_PORT..DESTINATION_PORT + 2) {
        port.copy_from_slice(&to.to_be_bytes());
    }
    frame
}

fn port(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_and_changed() {
        let mut frame = vec![0; 60];
        frame[SOURCE_PORT..SOURCE_PORT + 4].copy_from_slice(&[0, 80, 31, 144]);
        assert!(is_from(&frame, 80) && is_to(&frame, 8080));
        assert!(is_to(&to_port(&frame, 22), 22));
        assert!(!is_to(&frame[..20], 8080), "cut short");
    }

    #[test]
    fn a_tunnel_frame_has_the_port_and_the_network() {
        let mut frame = vec![0; 60];
        frame[PROTOCOL] = UDP;
        frame[DESTINATION_PORT..DESTINATION_PORT + 2]
            .copy_from_slice(&wire::VXLAN_PORT.to_be_bytes());
        frame[VNI..VNI + 3].copy_from_slice(&[0, 0x0f, 0xfe]);
        assert!(is_tunnel(&frame, 4094) && !is_tunnel(&frame, 4095));
    }
}
