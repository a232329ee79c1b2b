//! Tunnel frames between nodes of the small cluster.

use lb_common::{addr::V4, row::Row, wire};

use crate::{
    packet::Packet,
    parse::{Parse, parse},
    rewrite::tunnel::source_port,
    testing::{REPLY_MACS, Tunnelled, node_mac},
};

/// A frame from one node to another that carries a client's frame with its row and entry node.
pub(super) fn forward(from: V4, to: V4, row: Row, entry: V4, inner: &[u8]) -> Vec<u8> {
    let (dst, src) = wire::carry(row, entry);
    let vni = wire::MESH_VNI;
    tunnelled(from, to, vni, flow_port(inner), with_macs(inner, dst, src)).bytes()
}

/// A frame from one node to another that carries a reply; `sent` is the packet that the reply was
/// made from, which decides the outer source port.
pub(super) fn reply(from: V4, to: V4, sent: &[u8], inner: &[u8]) -> Vec<u8> {
    let (dst, src) = REPLY_MACS;
    let vni = wire::MESH_VNI + 1;
    tunnelled(from, to, vni, flow_port(sent), with_macs(inner, dst, src)).bytes()
}

/// A frame from one node to another on any VNI.
pub(super) fn tunnelled(from: V4, to: V4, vni: u32, src_port: u16, inner: Vec<u8>) -> Tunnelled {
    let macs = (node_mac(to), node_mac(from));
    Tunnelled { macs, src: from, dst: to, src_port, port: wire::VXLAN_PORT, vni, inner }
}

pub(super) fn with_macs(frame: &[u8], dst: [u8; 6], src: [u8; 6]) -> Vec<u8> {
    [&dst[..], &src[..], &frame[12..]].concat()
}

/// The outer source port that a frame's flow gets.
pub(super) fn flow_port(frame: &[u8]) -> u16 {
    let mut bytes = frame.to_vec();
    match parse::<0>(&Packet::from_slice(&mut bytes)) {
        Parse::Packet(parsed) => source_port(&parsed),
        Parse::NotOurs | Parse::Malformed => 0,
    }
}
