//! Pieces that XDP and tcx share when they build a tunnel frame.

use lb_common::{
    addr::{Mac, mac_of},
    peer::{PEER_RESOLVED, Peer},
    row::Row,
    wire,
};

use super::Kernel;
use crate::{
    parse::Parsed,
    rewrite::tunnel::{Tunnel, source_port},
    tables::Tables,
    verdict::{Nat, Verdict},
};

/// Inner MAC addresses of a reply frame: nothing to carry, recognisable in a capture.
pub(super) const REPLY_MACS: (Mac, Mac) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);

/// A peer that a frame can be sent to.
#[inline(always)]
pub(super) fn resolved(kernel: &Kernel, peer: u16) -> Option<Peer> {
    kernel.peer(peer).filter(|peer| peer.flags & PEER_RESOLVED != 0)
}

/// A frame that carries a client's packet to its home.
#[inline(always)]
pub(super) fn forward(
    kernel: &Kernel,
    parsed: &Parsed,
    inner_len: u16,
    verdict: &Verdict,
) -> Tunnel {
    Tunnel {
        vni: kernel.mesh_vni(),
        macs: wire::carry(verdict.row, verdict.entry),
        ..tunnel(kernel, parsed, inner_len)
    }
}

/// The same for a packet that takes the short way: it dialled this node's data-path address.
#[inline(always)]
pub(super) fn express(kernel: &Kernel, parsed: &Parsed, row: Row) -> Tunnel {
    Tunnel {
        own: parsed.dst,
        port: kernel.vxlan_port(),
        vni: kernel.mesh_vni(),
        macs: wire::carry(row, parsed.dst),
        src_port: source_port(parsed),
        inner_len: parsed.total_len,
    }
}

/// A frame that carries a reply to the entry node.
#[inline(always)]
pub(super) fn reply(kernel: &Kernel, parsed: &Parsed, inner_len: u16) -> Tunnel {
    Tunnel { vni: kernel.mesh_vni() + 1, macs: REPLY_MACS, ..tunnel(kernel, parsed, inner_len) }
}

/// A frame of an overlay network, with the VNI and the inner MAC addresses that it has there.
#[inline(always)]
pub(super) fn overlay(
    kernel: &Kernel,
    parsed: &Parsed,
    inner_len: u16,
    (vni, macs): (u32, (Mac, Mac)),
) -> Tunnel {
    Tunnel { vni, macs, ..tunnel(kernel, parsed, inner_len) }
}

/// A frame of Docker's ingress network between two of its addresses.
#[inline(always)]
pub(super) fn ingress(kernel: &Kernel, parsed: &Parsed, inner_len: u16, nat: &Nat) -> Tunnel {
    let macs = (mac_of(nat.dst), mac_of(nat.src));
    overlay(kernel, parsed, inner_len, (kernel.ingress_vni(), macs))
}

#[inline(always)]
fn tunnel(kernel: &Kernel, parsed: &Parsed, inner_len: u16) -> Tunnel {
    Tunnel {
        own: kernel.node_addr(),
        port: kernel.vxlan_port(),
        vni: 0,
        macs: REPLY_MACS,
        src_port: source_port(parsed),
        inner_len,
    }
}
