//! The server's UDP side: each datagram comes back with the server's name and the sender's address.

use std::sync::Arc;

use tokio::{net::UdpSocket, sync::watch};

use super::Shared;

/// Largest datagram that is answered whole.
const LARGEST_BYTES: usize = 65_000;

pub(super) async fn echo(socket: UdpSocket, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let Ok(local) = socket.local_addr() else { return };
    let mut buffer = vec![0; LARGEST_BYTES];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        // An error here is an ICMP message about an earlier answer; the next datagram may do.
        let Ok((len, peer)) = received else { continue };
        shared.log.note("udp", local, peer);
        let mut answer = format!("task={} peer={peer} len={len} ", shared.name).into_bytes();
        answer.extend_from_slice(&buffer[..len]);
        let _ = socket.send_to(&answer, peer).await;
    }
}
