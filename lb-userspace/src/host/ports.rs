//! Published ports reserved on the node, so that no process is given one that the packet programs
//! take away: a socket bound to each, held by the agent and never listening.
//!
//! A bound socket that does not listen changes nothing for TCP: segments that the programs pass to
//! the kernel are refused as before. A bound UDP socket would swallow datagrams instead; that is
//! fine, because the programs pass none that is for a published port: it goes to a task, is refused
//! with ICMP, or is a counted drop. What slips through while programs are swapped fills a buffer
//! that the kernel bounds.

mod owner;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    ops::RangeInclusive,
};

use tokio::net::TcpSocket;

pub use owner::Owner;

use super::{HostError, Result};
use crate::model::Protocol;

/// A port of a protocol.
pub type Port = (Protocol, u16);

/// What became of a wish to reserve a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// Held until it is no longer wanted or the agent ends.
    Reserved,
    /// A process of the node has it: clients reach the service, that process gets nothing more.
    InUse(Option<Owner>),
    /// The kernel refused for another reason.
    Refused(io::ErrorKind),
}

/// The ports that this agent holds.
#[derive(Debug, Default)]
pub struct Ports {
    held: BTreeMap<Port, Held>,
}

/// A bound socket; dropping it frees the port.
#[derive(Debug)]
enum Held {
    Tcp(#[expect(dead_code, reason = "held for the port it is bound to")] TcpSocket),
    Udp(#[expect(dead_code, reason = "held for the port it is bound to")] UdpSocket),
}

impl Ports {
    /// Holds exactly the wanted ports, as far as they can be had, and tells what became of each.
    /// Ports in use are tried again at each call.
    pub fn hold(&mut self, wanted: &BTreeSet<Port>) -> BTreeMap<Port, Reservation> {
        self.held.retain(|port, _| wanted.contains(port));
        wanted.iter().map(|port| (*port, self.reserve(*port))).collect()
    }

    fn reserve(&mut self, port: Port) -> Reservation {
        if self.held.contains_key(&port) {
            return Reservation::Reserved;
        }
        match bind(port) {
            Ok(socket) => {
                self.held.insert(port, socket);
                Reservation::Reserved
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                Reservation::InUse(owner::of(port))
            }
            Err(error) => Reservation::Refused(error.kind()),
        }
    }
}

/// Binds on all addresses; without SO_REUSEADDR, which would let others in.
fn bind((protocol, port): Port) -> io::Result<Held> {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    match protocol {
        Protocol::Udp => UdpSocket::bind(address).map(Held::Udp),
        Protocol::Tcp => {
            let socket = TcpSocket::new_v4()?;
            socket.bind(address)?;
            Ok(Held::Tcp(socket))
        }
    }
}

/// Ports that the kernel gives to outgoing connections of the node: publishing one of them is
/// asking for trouble.
///
/// # Errors
/// When /proc/sys cannot be read.
pub fn ephemeral_ports() -> Result<RangeInclusive<u16>> {
    let file = "/proc/sys/net/ipv4/ip_local_port_range";
    let text = fs::read_to_string(file).map_err(HostError::io(format!("read {file}")))?;
    let mut numbers = text.split_whitespace().map_while(|number| number.parse().ok());
    Ok(numbers.next().unwrap_or(1)..=numbers.next().unwrap_or(0))
}
