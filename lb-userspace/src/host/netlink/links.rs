//! Interfaces: read, made, set, deleted.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use futures::TryStreamExt as _;
use lb_common::addr::Mac;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    LinkXdp,
};
use nix::errno::Errno;
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::{Netlink, is_errno};
use crate::host::{HostError, Result};

/// An interface as the kernel describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Interface index.
    pub ifindex: u32,
    /// Name.
    pub name: String,
    /// The text that someone attached to it (`ip link set alias`).
    pub alias: Option<String>,
    /// Driver kind as in `ip -d link` (`veth`, `bridge`, ...); empty for hardware.
    pub kind: String,
    /// Largest IP packet, bytes.
    pub mtu: u32,
    /// Ethernet address; none on interfaces of other sorts.
    pub mac: Option<Mac>,
    /// Set up by the administrator.
    pub up: bool,
    /// Loops back.
    pub loopback: bool,
    /// Index of the bridge that it is a port of.
    pub master: Option<u32>,
    /// For a veth, the other end's index in its own namespace.
    pub peer_ifindex: Option<u32>,
    /// For a veth whose other end is in another namespace, this namespace's id for that one.
    pub peer_netns_id: Option<i32>,
    /// Kernel id of the XDP program on it.
    pub xdp_program: Option<u32>,
}

/// One end of a veth pair to be made.
#[derive(Clone, Copy, Debug)]
pub struct VethEnd<'a> {
    /// Name.
    pub name: &'a str,
    /// Ethernet address.
    pub mac: Mac,
}

/// A veth pair to be made between this namespace and another.
#[derive(Clone, Copy, Debug)]
pub struct VethPair<'a> {
    /// The end in this namespace.
    pub here: VethEnd<'a>,
    /// The end in the other namespace.
    pub there: VethEnd<'a>,
    /// The other namespace.
    pub namespace: BorrowedFd<'a>,
    /// Largest IP packet, bytes, of both ends.
    pub mtu: u16,
    /// Interface index of the end in this namespace; left out, the kernel chooses.
    pub ifindex: Option<u32>,
}

impl Netlink {
    /// All interfaces.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub async fn links(&self) -> Result<Vec<Link>> {
        let dump = self.handle.link().get().execute().map_ok(Link::from);
        dump.try_collect().await.map_err(HostError::netlink("list interfaces"))
    }

    /// The interface of that name, if there is one.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub async fn link_named(&self, name: &str) -> Result<Option<Link>> {
        let found = self.handle.link().get().match_name(name.into()).execute().try_next().await;
        absent_or(found, format!("look up interface {name}"))
    }

    /// The interface of that index, if there is one.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub async fn link_at(&self, ifindex: u32) -> Result<Option<Link>> {
        let found = self.handle.link().get().match_index(ifindex).execute().try_next().await;
        absent_or(found, format!("look up interface {ifindex}"))
    }

    /// UDP port of the first vxlan device.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub async fn vxlan_port(&self) -> Result<Option<u16>> {
        let dump = self.handle.link().get().execute();
        let ports = dump.try_filter_map(|link| async move { Ok(vxlan_port_of(&link)) });
        let first = std::pin::pin!(ports).try_next().await;
        first.map_err(HostError::netlink("look for a vxlan device"))
    }

    /// Makes a veth pair in one step, both ends named and addressed.
    ///
    /// # Errors
    /// When a name is taken at either end, or the caller may not.
    pub async fn add_veth(&self, pair: &VethPair<'_>) -> Result<()> {
        let there = LinkMessageBuilder::<LinkUnspec>::new()
            .name(pair.there.name.into())
            .address(pair.there.mac.into())
            .mtu(pair.mtu.into())
            .setns_by_fd(pair.namespace.as_raw_fd())
            .build();
        let here = LinkVeth::new(pair.here.name, pair.there.name)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(there)))
            .address(pair.here.mac.into())
            .mtu(pair.mtu.into())
            .index(pair.ifindex.unwrap_or_default())
            .build();
        let added = self.handle.link().add(here).execute().await;
        added.map_err(HostError::netlink(format!("add veth {}", pair.here.name)))
    }

    /// Makes an interface be up, with that Ethernet address and MTU; asks only for what differs.
    ///
    /// # Errors
    /// When the driver refuses.
    pub async fn settle_link(&self, link: &Link, mac: Mac, mtu: u16) -> Result<()> {
        self.set_link(&link.name, shaped(link, mac, mtu).up().build()).await
    }

    /// Makes an interface have that Ethernet address and MTU, up or down as it is; asks only for
    /// what differs.
    ///
    /// # Errors
    /// When the driver refuses.
    pub async fn shape_link(&self, link: &Link, mac: Mac, mtu: u16) -> Result<()> {
        if link.mac == Some(mac) && link.mtu == u32::from(mtu) {
            return Ok(());
        }
        self.set_link(&link.name, shaped(link, mac, mtu).build()).await
    }

    /// Sets an interface up and leaves everything else.
    ///
    /// # Errors
    /// When there is no such interface.
    pub async fn set_up(&self, name: &str) -> Result<()> {
        self.set_link(name, LinkUnspec::new_with_name(name).up().build()).await
    }

    /// Attaches a text to an interface, shown by `ip link`.
    ///
    /// # Errors
    /// When there is no such interface, or the text has more than 255 bytes.
    pub async fn set_alias(&self, link: &Link, alias: &str) -> Result<()> {
        if link.alias.as_deref() == Some(alias) {
            return Ok(());
        }
        let alias = LinkAttribute::IfAlias(alias.into());
        let wanted = LinkUnspec::new_with_index(link.ifindex).append_extra_attribute(alias);
        self.set_link(&link.name, wanted.build()).await
    }

    async fn set_link(&self, name: &str, wanted: LinkMessage) -> Result<()> {
        let set = self.handle.link().set(wanted).execute().await;
        set.map_err(HostError::netlink(format!("set interface {name}")))
    }

    /// Deletes an interface; one that is gone already is fine.
    ///
    /// # Errors
    /// When the kernel refuses, as it does for hardware.
    pub async fn delete_link(&self, link: &Link) -> Result<()> {
        match self.handle.link().del(link.ifindex).execute().await {
            Err(error) if is_errno(&error, Errno::ENODEV) => Ok(()),
            deleted => {
                deleted.map_err(HostError::netlink(format!("delete interface {}", link.name)))
            }
        }
    }
}

/// A request for what differs at `link`.
fn shaped(link: &Link, mac: Mac, mtu: u16) -> LinkMessageBuilder<LinkUnspec> {
    let mut wanted = LinkUnspec::new_with_index(link.ifindex);
    if link.mac != Some(mac) {
        wanted = wanted.address(mac.into());
    }
    if link.mtu != u32::from(mtu) {
        wanted = wanted.mtu(mtu.into());
    }
    wanted
}

fn absent_or(
    found: std::result::Result<Option<LinkMessage>, rtnetlink::Error>,
    action: String,
) -> Result<Option<Link>> {
    match found {
        Err(error) if is_errno(&error, Errno::ENODEV) => Ok(None),
        found => found.map(|link| link.map(Link::from)).map_err(HostError::netlink(action)),
    }
}

impl From<LinkMessage> for Link {
    fn from(message: LinkMessage) -> Self {
        let flags = message.header.flags;
        let link = Self {
            ifindex: message.header.index,
            up: flags.contains(LinkFlags::Up),
            loopback: flags.contains(LinkFlags::Loopback),
            ..Self::default()
        };
        message.attributes.into_iter().fold(link, Self::with)
    }
}

impl Link {
    /// Whether this is one end of a veth pair and `there`, in the namespace that has the id
    /// `netns_id` here, the other.
    #[must_use]
    pub fn is_paired_with(&self, there: &Self, netns_id: i32) -> bool {
        self.peer_netns_id == Some(netns_id) && self.peer_ifindex == Some(there.ifindex)
    }

    fn with(mut self, attribute: LinkAttribute) -> Self {
        match attribute {
            LinkAttribute::IfName(name) => self.name = name,
            LinkAttribute::IfAlias(alias) => self.alias = Some(alias),
            LinkAttribute::Mtu(mtu) => self.mtu = mtu,
            LinkAttribute::Address(mac) => self.mac = mac.try_into().ok(),
            LinkAttribute::Link(ifindex) => self.peer_ifindex = Some(ifindex),
            LinkAttribute::Controller(ifindex) => self.master = Some(ifindex),
            LinkAttribute::LinkNetNsId(id) => self.peer_netns_id = Some(id),
            LinkAttribute::LinkInfo(infos) => self.kind = kind_of(&infos),
            LinkAttribute::Xdp(xdp) => self.xdp_program = xdp_program_of(&xdp),
            _ => {}
        }
        self
    }
}

fn kind_of(infos: &[LinkInfo]) -> String {
    let kind = infos.iter().find_map(|info| match info {
        LinkInfo::Kind(InfoKind::Other(kind)) => Some(kind.clone()),
        LinkInfo::Kind(kind) => Some(kind.to_string()),
        _ => None,
    });
    kind.unwrap_or_default()
}

fn vxlan_port_of(link: &LinkMessage) -> Option<u16> {
    let infos = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => Some(infos),
        _ => None,
    });
    let vxlan = infos?.iter().find_map(|info| match info {
        LinkInfo::Data(InfoData::Vxlan(vxlan)) => Some(vxlan),
        _ => None,
    });
    vxlan?.iter().find_map(|field| match field {
        InfoVxlan::Port(port) => Some(*port),
        _ => None,
    })
}

fn xdp_program_of(xdp: &[LinkXdp]) -> Option<u32> {
    xdp.iter().find_map(|attribute| match attribute {
        LinkXdp::ProgId(id) if *id != 0 => Some(*id),
        _ => None,
    })
}
