//! Routing netlink of one namespace: requests in the words of this project, answers as plain
//! values. Everything that changes is idempotent: it may be asked again to repair.

mod addresses;
mod links;
mod neighbours;
mod nsid;
mod routes;

use futures::{Stream, StreamExt as _};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;

pub use addresses::Address;
pub use links::{Link, VethEnd, VethPair};
pub use neighbours::Neighbour;
pub use routes::Route;

use super::{HostError, Result, netns::Namespace};

/// A netlink connection bound to one namespace, whichever thread uses it. It keeps that namespace
/// alive: drop it when done.
#[derive(Clone, Debug)]
pub struct Netlink {
    handle: rtnetlink::Handle,
}

impl Netlink {
    /// Connects in the calling thread's namespace. Needs a tokio runtime, which serves the socket.
    ///
    /// # Errors
    /// When the kernel gives no netlink socket.
    pub fn here() -> Result<Self> {
        let opened = rtnetlink::new_connection().map_err(HostError::io("open a netlink socket"))?;
        let (connection, handle, _) = opened;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// Connects inside another namespace.
    ///
    /// # Errors
    /// When it cannot be entered, or the kernel gives no netlink socket.
    pub fn inside(namespace: &Namespace) -> Result<Self> {
        let runtime = tokio::runtime::Handle::current();
        namespace.run(|| {
            let _serving = runtime.enter();
            Self::here()
        })?
    }

    /// Sends a request that rtnetlink has no words for and yields its answers.
    fn request(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> std::result::Result<impl Stream<Item = RequestAnswer>, rtnetlink::Error> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = flags;
        let answers = self.handle.clone().request(request)?;
        Ok(answers.filter_map(|answer| async { unpack(answer) }))
    }
}

/// One answer to a request.
type RequestAnswer = std::result::Result<RouteNetlinkMessage, rtnetlink::Error>;

fn unpack(answer: NetlinkMessage<RouteNetlinkMessage>) -> Option<RequestAnswer> {
    match answer.payload {
        NetlinkPayload::InnerMessage(message) => Some(Ok(message)),
        NetlinkPayload::Error(error) => Some(Err(rtnetlink::Error::NetlinkError(error))),
        _ => None,
    }
}

/// Whether the kernel answered with this error number.
fn is_errno(error: &rtnetlink::Error, errno: nix::errno::Errno) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(message) if message.raw_code() == -(errno as i32))
}
