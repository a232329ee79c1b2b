//! Changes of the node's network as they happen: kernel notifications in, one debounced stream of
//! [`HostEvent`]s out. The events say where to look again, never what changed, so a lost
//! notification costs a few seconds and no truth: every [`RECHECK`] says to look everywhere.

mod hidden;
mod namespaces;

use std::time::Duration;

use futures::{Stream, StreamExt as _, channel::mpsc::UnboundedReceiver, stream};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{MulticastGroup, new_multicast_connection, sys::SocketAddr};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout_at};

pub use hidden::HiddenLinks;
use namespaces::{DIRECTORY, Namespaces};

use super::{HostError, Result};

/// How often to look everywhere, whatever the kernel said.
pub const RECHECK: Duration = Duration::from_secs(5);
/// How long further changes are gathered after the first one.
pub const DEBOUNCE: Duration = Duration::from_millis(50);

const GROUPS: [MulticastGroup; 4] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Neigh,
];

/// What to look at again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostEvent {
    /// Interfaces came, went or changed.
    pub links: bool,
    /// IPv4 addresses came or went.
    pub addresses: bool,
    /// IPv4 routes came, went or changed.
    pub routes: bool,
    /// IPv4 neighbours were resolved, lost or moved.
    pub neighbours: bool,
    /// Named network namespaces came or went.
    pub namespaces: bool,
}

impl HostEvent {
    /// Look at everything again.
    pub const ALL: Self =
        Self { links: true, addresses: true, routes: true, neighbours: true, namespaces: true };

    const fn and(self, other: Self) -> Self {
        Self {
            links: self.links || other.links,
            addresses: self.addresses || other.addresses,
            routes: self.routes || other.routes,
            neighbours: self.neighbours || other.neighbours,
            namespaces: self.namespaces || other.namespaces,
        }
    }
}

/// The changes in the calling thread's namespace, from now on. The stream never ends: where the
/// kernel's notifications fail, it opens them anew and lives on rechecks until then.
///
/// # Errors
/// When the kernel gives no netlink socket at first.
pub fn watch(recheck: Duration) -> Result<impl Stream<Item = HostEvent> + Unpin + Send> {
    let notices = subscribe().map_err(HostError::io("subscribe to network changes"))?;
    let mut ticks = interval_at(Instant::now() + recheck, recheck);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = Watch { notices, ticks, namespaces: Namespaces::new(DIRECTORY.into()) };
    Ok(Box::pin(stream::unfold(watch, async |mut watch| Some((watch.next().await, watch)))))
}

type Notices = UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>;

struct Watch {
    notices: Notices,
    ticks: Interval,
    namespaces: Namespaces,
}

fn subscribe() -> std::io::Result<Notices> {
    let (connection, _, notices) = new_multicast_connection(&GROUPS)?;
    tokio::spawn(connection);
    Ok(notices)
}

impl Watch {
    async fn next(&mut self) -> HostEvent {
        let first = self.first().await;
        if first == HostEvent::ALL { first } else { self.gather(first).await }
    }

    /// Waits for a change that matters, or for the next recheck.
    async fn first(&mut self) -> HostEvent {
        loop {
            let notice = tokio::select! {
                notice = self.notices.next() => notice,
                () = self.namespaces.changed() => {
                    return HostEvent { namespaces: true, ..HostEvent::default() };
                }
                _ = self.ticks.tick() => return HostEvent::ALL,
            };
            let Some((notice, _)) = notice else {
                self.ticks.tick().await;
                return self.resubscribe();
            };
            let event = event_of(&notice);
            if event != HostEvent::default() {
                return event;
            }
        }
    }

    /// Adds what follows within [`DEBOUNCE`]; a fixed window, so that a storm delays nothing.
    async fn gather(&mut self, first: HostEvent) -> HostEvent {
        let end = Instant::now() + DEBOUNCE;
        let mut event = first;
        while let Ok(Some((notice, _))) = timeout_at(end, self.notices.next()).await {
            event = event.and(event_of(&notice));
        }
        event
    }

    fn resubscribe(&mut self) -> HostEvent {
        match subscribe() {
            Ok(notices) => self.notices = notices,
            Err(error) => {
                tracing::warn!(%error, "no notifications of network changes, only rechecks")
            }
        }
        HostEvent::ALL
    }
}

fn event_of(notice: &NetlinkMessage<RouteNetlinkMessage>) -> HostEvent {
    use RouteNetlinkMessage as M;
    let none = HostEvent::default();
    match &notice.payload {
        // The kernel could not keep up and dropped notices: all may have changed.
        NetlinkPayload::Overrun(_) => HostEvent::ALL,
        NetlinkPayload::InnerMessage(message) => match message {
            M::NewLink(link) | M::DelLink(link) if is_plain(link.header.interface_family) => {
                HostEvent { links: true, ..none }
            }
            M::NewAddress(_) | M::DelAddress(_) => HostEvent { addresses: true, ..none },
            M::NewRoute(_) | M::DelRoute(_) => HostEvent { routes: true, ..none },
            M::NewNeighbour(about) | M::DelNeighbour(about)
                if about.header.family == AddressFamily::Inet =>
            {
                HostEvent { neighbours: true, ..none }
            }
            _ => none,
        },
        _ => none,
    }
}

/// Bridges tell of their ports' inner changes with a family of their own.
fn is_plain(family: AddressFamily) -> bool {
    family == AddressFamily::Unspec
}
