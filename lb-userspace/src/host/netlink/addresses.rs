//! IPv4 addresses of interfaces.

use std::net::{IpAddr, Ipv4Addr};

use futures::TryStreamExt as _;
use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressMessage},
};
use nix::errno::Errno;

use super::{Link, Netlink, is_errno};
use crate::host::{HostError, Result};

/// An IPv4 address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Interface index.
    pub ifindex: u32,
    /// The address.
    pub addr: Ipv4Addr,
    /// Prefix length of its subnet.
    pub prefix: u8,
}

impl Netlink {
    /// All IPv4 addresses of all interfaces.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub async fn addresses(&self) -> Result<Vec<Address>> {
        let dump = self.handle.address().get().execute();
        let found = dump.try_filter_map(|message| async move { Ok(unpack(&message)) });
        found.try_collect().await.map_err(HostError::netlink("list addresses"))
    }

    /// Makes an interface carry an address; it may already.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn ensure_address(&self, link: &Link, addr: Ipv4Addr, prefix: u8) -> Result<()> {
        let address = self.handle.address();
        let mut request = address.add(link.ifindex, IpAddr::V4(addr), prefix);
        // A /32 has no broadcast address: rtnetlink would take its own for one.
        let is_broadcast = |attribute: &_| matches!(attribute, AddressAttribute::Broadcast(_));
        request
            .message_mut()
            .attributes
            .retain(|attribute| prefix < 31 || !is_broadcast(attribute));
        match request.execute().await {
            Err(error) if is_errno(&error, Errno::EEXIST) => Ok(()),
            added => added.map_err(HostError::netlink(format!(
                "add address {addr}/{prefix} to {}",
                link.name
            ))),
        }
    }

    /// Makes an interface carry this IPv4 address and no other.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn ensure_only_address(&self, link: &Link, addr: Ipv4Addr, prefix: u8) -> Result<()> {
        let wanted = Address { ifindex: link.ifindex, addr, prefix };
        let held = self.addresses().await?;
        // Others first: behind another address of its subnet ours would be a secondary one, which
        // goes with the first.
        let others = held.iter().filter(|held| held.ifindex == link.ifindex && **held != wanted);
        for other in others {
            self.remove_address(link, other).await?;
        }
        match held.contains(&wanted) {
            true => Ok(()),
            false => self.ensure_address(link, addr, prefix).await,
        }
    }

    async fn remove_address(&self, link: &Link, held: &Address) -> Result<()> {
        match self.handle.address().del(message(held)).execute().await {
            // It went with one that was removed before it.
            Err(error) if is_errno(&error, Errno::EADDRNOTAVAIL) => Ok(()),
            removed => removed.map_err(HostError::netlink(format!(
                "remove address {}/{} from {}",
                held.addr, held.prefix, link.name
            ))),
        }
    }
}

fn message(address: &Address) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.index = address.ifindex;
    message.header.prefix_len = address.prefix;
    message.attributes.push(AddressAttribute::Local(IpAddr::V4(address.addr)));
    message
}

fn unpack(message: &AddressMessage) -> Option<Address> {
    let ifindex = message.header.index;
    let prefix = message.header.prefix_len;
    // On a point-to-point interface `Address` is the other side; `Local` is always ours.
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(IpAddr::V4(addr)) => Some(*addr),
        _ => None,
    });
    local.map(|addr| Address { ifindex, addr, prefix })
}
