//! Fragments follow their first one: it leaves its ports in `FRAGS`, later ones find them there.
//! A later fragment that overtakes its first is none of ours yet and goes to the kernel.

use lb_common::flow::{FragKey, FragValue};

use crate::{
    parse::{Fragment, Parsed},
    tables::Tables,
};

/// Where a fragment was seen: IP identifications repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Side {
    /// As the client sent it.
    Client = 0,
    /// As a task sent it.
    Task = 1,
    /// As it came back to its entry node through the tunnel.
    Entry = 2,
    /// In an overlay network, as its task sent it.
    Overlay = 3,
}

/// Completes a later fragment with its datagram's ports; `None` if they are unknown.
#[inline(always)]
pub(super) fn find_ports<T: Tables>(tables: &T, parsed: &mut Parsed, side: Side) -> Option<()> {
    if parsed.fragment == Fragment::Later {
        let found = tables.frag(&key(parsed, side))?;
        parsed.src_port = found.src_port;
        parsed.dst_port = found.dst_port;
    }
    Some(())
}

/// Remembers the ports of a first fragment that turned out to be ours.
#[inline(always)]
pub(super) fn remember<T: Tables>(tables: &T, parsed: &Parsed, side: Side) {
    if parsed.fragment == Fragment::First {
        let ports = FragValue { src_port: parsed.src_port, dst_port: parsed.dst_port };
        tables.frag_insert(&key(parsed, side), &ports);
    }
}

#[inline(always)]
fn key(parsed: &Parsed, side: Side) -> FragKey<lb_common::addr::V4> {
    FragKey {
        src: parsed.src,
        dst: parsed.dst,
        id: parsed.id,
        proto: parsed.proto,
        side: side as u8,
    }
}
