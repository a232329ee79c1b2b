//! Offloads of an interface, by the ethtool ioctl: generic netlink has them too, but no well-kept
//! crate can set them.
#![expect(unsafe_code, reason = "an ioctl; see the SAFETY note")]

use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::{HostError, Result, netns::Namespace};

/// `ETHTOOL_GGRO` of include/uapi/linux/ethtool.h.
const ETHTOOL_GGRO: u32 = 0x2b;
/// `ETHTOOL_SGRO`.
const ETHTOOL_SGRO: u32 = 0x2c;

/// `struct ethtool_value`.
#[repr(C)]
struct EthtoolValue {
    cmd: u32,
    data: u32,
}

/// `struct ifreq` as `SIOCETHTOOL` reads it: a name and a pointer, padded to the whole union.
#[repr(C)]
struct EthtoolRequest {
    name: [u8; libc::IFNAMSIZ],
    value: *mut EthtoolValue,
    rest_of_union: [usize; 2],
}

nix::ioctl_readwrite_bad!(siocethtool, libc::SIOCETHTOOL, EthtoolRequest);

/// Turns GRO on at an interface inside a namespace, which gives a veth NAPI: without it frames
/// that XDP redirects into its other end are lost without a trace.
///
/// # Errors
/// When there is no such interface, or the caller may not.
pub(super) fn enable_gro(namespace: &Namespace, interface: &str) -> Result<()> {
    let set = namespace.run(|| set_gro(interface, true))?;
    set.map_err(HostError::io(format!("turn GRO on at {interface}")))
}

/// Whether GRO is on at an interface of the calling thread's namespace.
pub(super) fn has_gro(interface: &str) -> nix::Result<bool> {
    ethtool(interface, EthtoolValue { cmd: ETHTOOL_GGRO, data: 0 }).map(|value| value.data != 0)
}

/// Turns GRO on or off at an interface of the calling thread's namespace.
pub(super) fn set_gro(interface: &str, on: bool) -> nix::Result<()> {
    ethtool(interface, EthtoolValue { cmd: ETHTOOL_SGRO, data: on.into() }).map(drop)
}

fn ethtool(interface: &str, mut value: EthtoolValue) -> nix::Result<EthtoolValue> {
    let socket: OwnedFd =
        socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut request =
        EthtoolRequest { name: [0; libc::IFNAMSIZ], value: &raw mut value, rest_of_union: [0; 2] };
    // One byte stays zero: the kernel wants the name terminated.
    for (to, from) in request.name.iter_mut().take(libc::IFNAMSIZ - 1).zip(interface.bytes()) {
        *to = from;
    }
    // SAFETY: `request` has the size and layout of `struct ifreq`, and its pointer leads to a live
    // `struct ethtool_value`, the only memory that these commands read or write.
    unsafe { siocethtool(socket.as_raw_fd(), &raw mut request) }?;
    Ok(value)
}

const _: () = assert!(size_of::<EthtoolRequest>() >= size_of::<libc::ifreq>());
