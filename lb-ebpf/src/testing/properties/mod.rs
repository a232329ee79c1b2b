//! What holds for any packet, checked against full recomputation.

mod full_nat;
mod mss;
mod nat;
mod overlay;
mod parse;
mod refusal;
mod tunnel;
mod vip_leg;
mod walk;

use lb_common::addr::V4;
use proptest::prelude::*;

use super::Frame;

/// An address and port.
fn end() -> impl Strategy<Value = (V4, u16)> {
    (any::<[u8; 4]>(), any::<u16>())
}

/// Bytes of a packet with any of them changed and its end cut off, so that they are of any kind behind
/// headers that lead as far as possible. Fewer than 8 of the first `reach` change, and fewer than `longest`
/// remain.
fn spoilt(
    bytes: impl Strategy<Value = Vec<u8>>,
    reach: usize,
    longest: usize,
) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((0..reach, any::<u8>()), 0..8);
    (bytes, changes, 0..longest).prop_map(|(mut bytes, changes, length)| {
        for (at, byte) in changes {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        bytes.truncate(length);
        bytes
    })
}

/// Any unfragmented TCP segment or UDP datagram.
fn frame() -> impl Strategy<Value = Frame> {
    let rest = (any::<bool>(), any::<u8>(), any::<[u32; 2]>(), any::<[u16; 2]>(), any::<bool>());
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    (end(), end(), rest, prop::collection::vec(any::<u8>(), 0..40), bytes).prop_map(
        |(src, dst, (tcp, flags, [seq, ack], [id, window], udp_checksum), options, payload)| {
            let base = if tcp { Frame::tcp(src, dst) } else { Frame::udp(src, dst) };
            Frame { flags, seq, ack, id, window, udp_checksum, options, payload, ..base }
        },
    )
}
