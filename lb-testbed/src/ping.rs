//! ICMP echo, as not every machine has `ping`.

use std::{
    io::Read as _,
    net::{Ipv4Addr, SocketAddrV4},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use socket2::{Domain, Protocol, Socket, Type};

use crate::netns::{Ns, in_ns};

/// Bytes before the payload: echo type, code, checksum, identifier, sequence number.
const HEADER_BYTES: usize = 8;
/// Type of an echo reply.
const ECHO_REPLY: u8 = 0;

/// Sends one echo request with `payload_bytes` from `ns` and waits for its reply; returns the time
/// between.
///
/// # Errors
/// No reply within `limit`, or the packet cannot be sent.
pub fn ping(ns: &Ns, to: Ipv4Addr, payload_bytes: usize, limit: Duration) -> Result<Duration> {
    in_ns(ns, || exchange(to, payload_bytes, limit))?
        .with_context(|| format!("ping from {} to {to}", ns.name()))
}

fn exchange(to: Ipv4Addr, payload_bytes: usize, limit: Duration) -> Result<Duration> {
    let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    let (request, start) = (request(payload_bytes), Instant::now());
    socket.send_to(&request, &SocketAddrV4::new(to, 0).into())?;
    let mut buffer = vec![0; 65_535];
    loop {
        let left = limit.saturating_sub(start.elapsed());
        if left.is_zero() {
            bail!("no reply within {limit:?}");
        }
        socket.set_read_timeout(Some(left))?;
        // A timed out read comes round to the check above.
        let len = socket.read(&mut buffer).unwrap_or(0);
        if is_reply(&buffer[..len], &request) {
            return Ok(start.elapsed());
        }
    }
}

/// An echo request whose identifier tells parallel ones apart.
fn request(payload_bytes: usize) -> Vec<u8> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let id = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let mut packet = vec![0x5a; HEADER_BYTES + payload_bytes];
    packet[..HEADER_BYTES].copy_from_slice(&[8, 0, 0, 0, id[0], id[1], 0, 1]);
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// Whether an IPv4 packet is the reply: same identifier, sequence number and payload.
fn is_reply(packet: &[u8], request: &[u8]) -> bool {
    let Some(first) = packet.first() else { return false };
    let icmp = packet.get(usize::from(first & 0xf) * 4..).unwrap_or_default();
    icmp.first() == Some(&ECHO_REPLY) && icmp.get(4..) == request.get(4..)
}

/// The Internet checksum, RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded + (folded >> 16)) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_a_packet_with_its_checksum_is_zero() {
        assert_eq!(checksum(&request(56)), 0);
        assert_eq!(checksum(&request(57)), 0);
    }

    #[test]
    fn only_the_own_reply_counts() {
        let request = request(4);
        let mut reply = vec![0x45; 20];
        reply.extend_from_slice(&request);
        assert!(!is_reply(&reply, &request), "a request is no reply");
        reply[20] = ECHO_REPLY;
        assert!(is_reply(&reply, &request));
        reply[24] ^= 1;
        assert!(!is_reply(&reply, &request));
    }
}
