//! IPv4 routes: the main table read, the answer for one destination, and the few routes of a leg.

use std::net::Ipv4Addr;

use futures::TryStreamExt as _;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric,
    RouteProtocol, RouteScope, RouteType,
};
use nix::errno::Errno;
use rtnetlink::RouteMessageBuilder;

use super::{Link, Netlink, is_errno};
use crate::{
    host::{HostError, Result},
    model::Subnet,
};

/// An IPv4 route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Interface that packets leave by; none for routes that discard or have several.
    pub ifindex: Option<u32>,
    /// Destination; `0.0.0.0` with prefix 0 for the default route.
    pub destination: Ipv4Addr,
    /// Prefix length of the destination.
    pub prefix: u8,
    /// Next router, where the destination is not on the link itself.
    pub gateway: Option<Ipv4Addr>,
    /// Address that packets carry where their socket chose none.
    pub source: Option<Ipv4Addr>,
    /// MTU that the route itself sets, bytes.
    pub mtu: Option<u32>,
    /// The destination is this node itself.
    pub local: bool,
}

impl Netlink {
    /// The routes of the main table.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub async fn routes(&self) -> Result<Vec<Route>> {
        let question = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let dump = self.handle.route().get(question).execute();
        let main = dump.try_filter_map(|message| async move {
            Ok((message.header.table == RouteHeader::RT_TABLE_MAIN).then(|| Route::from(&message)))
        });
        main.try_collect().await.map_err(HostError::netlink("list routes"))
    }

    /// The route that a packet to `addr` would take, if there is one.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub async fn route_to(&self, addr: Ipv4Addr) -> Result<Option<Route>> {
        self.ask(addr, RouteFlags::empty()).await
    }

    async fn ask(&self, addr: Ipv4Addr, flags: RouteFlags) -> Result<Option<Route>> {
        let mut question =
            RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(addr, 32).build();
        question.header.flags = flags;
        match self.handle.route().get(question).execute().try_next().await {
            Err(error) if is_unreachable(&error) => Ok(None),
            Err(error) => Err(HostError::netlink(format!("look up the route to {addr}"))(error)),
            Ok(answer) => Ok(answer.as_ref().map(Route::from)),
        }
    }

    /// Makes `addr` reachable on the link itself, with `source` as the address packets carry; it
    /// may be already.
    ///
    /// # Errors
    /// When the link is down or `source` is no address of this namespace.
    pub async fn ensure_link_route(
        &self,
        link: &Link,
        addr: Ipv4Addr,
        source: Ipv4Addr,
    ) -> Result<()> {
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(addr, 32)
            .output_interface(link.ifindex)
            .scope(RouteScope::Link)
            .pref_source(source);
        let route = route.build();
        // The table's own entry, not what the kernel makes of it for one packet.
        if self.ask(addr, RouteFlags::FibMatch).await? == Some(Route::from(&route)) {
            return Ok(());
        }
        self.write_route(route, format!("route {addr} by {}", link.name)).await
    }

    /// Makes `gateway` on that link the default route; it may be already.
    ///
    /// # Errors
    /// When the link is down or `source` is no address of this namespace.
    pub async fn ensure_default_route(
        &self,
        link: &Link,
        gateway: Ipv4Addr,
        source: Ipv4Addr,
    ) -> Result<()> {
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .gateway(gateway)
            .onlink()
            .output_interface(link.ifindex)
            .pref_source(source);
        let route = route.build();
        if self.routes().await?.contains(&Route::from(&route)) {
            return Ok(());
        }
        self.write_route(route, format!("set default route by {}", link.name)).await
    }

    /// Makes these destinations reachable by `gateway` on that link, and no others by any gateway
    /// there.
    ///
    /// # Errors
    /// When the link is down, `gateway` is not on it, or `source` is no address of this namespace.
    pub async fn ensure_routes_by(
        &self,
        link: &Link,
        gateway: Ipv4Addr,
        source: Ipv4Addr,
        destinations: &[Subnet],
    ) -> Result<()> {
        let wanted: Vec<_> = destinations
            .iter()
            .map(|subnet| route_by(link, gateway, source, (subnet.addr, subnet.prefix)))
            .collect();
        let on_link = |route: &Route| route.ifindex == Some(link.ifindex);
        let routed = |route: &Route| on_link(route) && route.gateway.is_some();
        let held: Vec<Route> = self.routes().await?.into_iter().filter(routed).collect();
        for route in wanted.iter().filter(|route| !held.contains(&Route::from(*route))) {
            self.write_route(route.clone(), format!("add a route by {}", link.name)).await?;
        }
        let wanted =
            |route: &Route| wanted.iter().any(|wanted| Route::from(wanted).leads_as(route));
        for route in held.iter().filter(|route| !wanted(route)) {
            self.remove_route(link, route).await?;
        }
        Ok(())
    }

    async fn remove_route(&self, link: &Link, route: &Route) -> Result<()> {
        let gateway = route.gateway.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let message = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(route.destination, route.prefix)
            .gateway(gateway)
            .output_interface(link.ifindex)
            // Whoever added it.
            .protocol(RouteProtocol::Unspec)
            .build();
        match self.handle.route().del(message).execute().await {
            Err(error) if is_errno(&error, Errno::ESRCH) => Ok(()),
            removed => removed.map_err(HostError::netlink(format!(
                "remove route {}/{} by {}",
                route.destination, route.prefix, link.name
            ))),
        }
    }

    /// Replaces a route. Not for one that stands already: the kernel would tell everybody.
    async fn write_route(&self, route: RouteMessage, action: String) -> Result<()> {
        let written = self.handle.route().add(route).replace().execute().await;
        written.map_err(HostError::netlink(action))
    }
}

fn route_by(
    link: &Link,
    gateway: Ipv4Addr,
    source: Ipv4Addr,
    (destination, prefix): (Ipv4Addr, u8),
) -> RouteMessage {
    RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(destination, prefix)
        .gateway(gateway)
        .output_interface(link.ifindex)
        .pref_source(source)
        .build()
}

fn is_unreachable(error: &rtnetlink::Error) -> bool {
    [Errno::ENETUNREACH, Errno::EHOSTUNREACH, Errno::EACCES, Errno::EINVAL]
        .into_iter()
        .any(|errno| is_errno(error, errno))
}

impl From<&RouteMessage> for Route {
    fn from(message: &RouteMessage) -> Self {
        let route = Self {
            ifindex: None,
            destination: Ipv4Addr::UNSPECIFIED,
            prefix: message.header.destination_prefix_length,
            gateway: None,
            source: None,
            mtu: None,
            local: message.header.kind == RouteType::Local,
        };
        message.attributes.iter().fold(route, Self::with)
    }
}

impl Route {
    /// Whether this is a default route.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        self.prefix == 0
    }

    /// Whether another route takes the same packets the same way.
    fn leads_as(&self, other: &Self) -> bool {
        let way = |route: &Self| (route.ifindex, route.destination, route.prefix, route.gateway);
        way(self) == way(other)
    }

    fn with(mut self, attribute: &RouteAttribute) -> Self {
        match attribute {
            RouteAttribute::Oif(ifindex) => self.ifindex = Some(*ifindex),
            RouteAttribute::Destination(RouteAddress::Inet(addr)) => self.destination = *addr,
            RouteAttribute::Gateway(RouteAddress::Inet(addr)) => self.gateway = Some(*addr),
            RouteAttribute::PrefSource(RouteAddress::Inet(addr)) => self.source = Some(*addr),
            RouteAttribute::Metrics(metrics) => self.mtu = mtu_of(metrics),
            _ => {}
        }
        self
    }
}

fn mtu_of(metrics: &[RouteMetric]) -> Option<u32> {
    metrics.iter().find_map(|metric| match metric {
        RouteMetric::Mtu(mtu) => Some(*mtu),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wanted_route_equals_the_one_read_back() {
        let gateway = Ipv4Addr::new(172, 31, 0, 1);
        let wanted = RouteMessageBuilder::<Ipv4Addr>::new()
            .gateway(gateway)
            .onlink()
            .output_interface(7)
            .build();
        let route = Route::from(&wanted);
        assert_eq!(
            (route.ifindex, route.gateway, route.is_default()),
            (Some(7), Some(gateway), true)
        );
    }
}
