//! Pinned links: which of them are alive, and what can go wrong with one.

use std::{io, path::Path};

use aya::{
    Ebpf,
    programs::{
        Program, ProgramError, SchedClassifier, TcAttachType,
        links::{FdLink, LinkError, PinnedLink},
        loaded_programs,
    },
    sys::SyscallError,
};
use serde::Serialize;

use super::{
    error::chain,
    load::{Refused, ensure_loaded},
    pins::PinsError,
    programs::Hook,
    xdp_query,
};
use crate::host::HostError;

/// What an attach call did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// Name of the link's pin: `xdp-IFNAME`, `tcx-IFNAME`, `tcxe-IFNAME`, `cgroup-PROGRAM`.
    pub link: String,
    /// The program.
    pub program: &'static str,
    /// Whether an older program was replaced in place.
    pub replaced: bool,
}

/// Why a program could not be attached or detached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The interface cannot be asked about.
    #[error(
        "cannot ask about interface {interface}: {source}; does it exist in this network namespace?"
    )]
    Interface {
        /// The interface.
        interface: String,
        /// Why.
        source: io::Error,
    },
    /// Somebody else's XDP program sits there.
    #[error(
        "interface {interface} carries another XDP program ({name}, id {id}), and only one fits; remove it with \
         `ip link set dev {interface} xdp off`, or choose other `interfaces` for this node"
    )]
    OtherXdp {
        /// The interface.
        interface: String,
        /// The program's id.
        id: u32,
        /// The program's name.
        name: String,
    },
    /// The driver cannot run XDP programs.
    #[error(
        "interface {interface} has no native XDP, and generic XDP stalls TCP; choose an interface whose driver \
         supports native XDP"
    )]
    NoNativeXdp {
        /// The interface.
        interface: String,
    },
    /// No cgroup v2 is mounted.
    #[error(
        "no cgroup v2 is mounted here, so the node's own processes would not reach published ports; \
         `mount -t cgroup2 none DIR` (`ip netns exec` hides it: use `nsenter --net`)"
    )]
    NoCgroup,
    /// The root cgroup cannot be opened.
    #[error("cannot open the root cgroup {path}: {source}")]
    Cgroup {
        /// Where cgroup v2 is mounted.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The verifier refused a program that is loaded on demand.
    #[error(transparent)]
    Program(#[from] Refused),
    /// A step with a link failed.
    #[error("cannot {action} link {link}: {reason}")]
    Link {
        /// What was tried.
        action: &'static str,
        /// Name of the link's pin.
        link: String,
        /// Why.
        reason: String,
    },
    /// A hidden namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] HostError),
    /// The interfaces in a hidden namespace cannot be listed.
    #[error("cannot list the interfaces in namespace {0}: {1}")]
    Hidden(String, io::Error),
    /// The links' directory.
    #[error(transparent)]
    Pins(#[from] PinsError),
}

/// Turns the error of one step with one link into an [`AttachError`].
pub(super) fn failed<E: std::error::Error>(
    action: &'static str,
    link: &str,
) -> impl FnOnce(E) -> AttachError {
    move |error| AttachError::Link { action, link: link.into(), reason: chain(&error) }
}

/// A program of the object, loaded now if it was not yet.
pub(super) fn program<'a, P>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut P, AttachError>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let program = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded);
    let program = program.map_err(failed("find the program of", name))?;
    ensure_loaded(name, program)?;
    program.try_into().map_err(failed("find the program of", name))
}

/// The pinned link, if there is one and its program is among those that the interface carries.
///
/// A link outlives its interface, and a new interface may have the old one's name: such a pin is
/// dead and gets removed here.
pub(super) fn live(pin: &Path, on_interface: &[u32]) -> Result<Option<FdLink>, AttachError> {
    let name = pin.file_name().unwrap_or_default().to_string_lossy();
    let Some(pinned) = open(pin).map_err(failed("open", &name))? else { return Ok(None) };
    if is_alive(pin, on_interface).map_err(failed("ask about", &name))? {
        return Ok(Some(pinned.into()));
    }
    pinned.unpin().map_err(failed("remove the dead", &name))?;
    Ok(None)
}

/// Opens a pinned link; `None` where there is no such pin.
pub(super) fn open(pin: &Path) -> Result<Option<PinnedLink>, LinkError> {
    match PinnedLink::from_pin(pin) {
        Ok(link) => Ok(Some(link)),
        Err(LinkError::SyscallError(SyscallError { io_error, .. }))
            if io_error.kind() == io::ErrorKind::NotFound =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn is_alive(pin: &Path, on_interface: &[u32]) -> Result<bool, LinkError> {
    let link = FdLink::from(PinnedLink::from_pin(pin)?);
    Ok(on_interface.contains(&link.info()?.program_id()))
}

/// Id of the XDP program on `interface`.
pub(super) fn xdp_program(interface: &str) -> Result<Option<u32>, AttachError> {
    xdp_query::program_on(interface)
        .map_err(|source| AttachError::Interface { interface: interface.into(), source })
}

/// Ids of the programs on a hook of `interface`.
pub(super) fn programs_on(interface: &str, hook: Hook) -> Result<Vec<u32>, AttachError> {
    if hook == Hook::Xdp {
        return Ok(xdp_program(interface)?.into_iter().collect());
    }
    let (_, programs) =
        SchedClassifier::query_tcx(interface, attach_type(hook)).map_err(|error| {
            AttachError::Interface {
                interface: interface.into(),
                source: io::Error::other(chain(&error)),
            }
        })?;
    Ok(programs.iter().map(|program| program.id()).collect())
}

/// The direction of a tcx hook.
pub(super) const fn attach_type(hook: Hook) -> TcAttachType {
    match hook {
        Hook::TcxEgress => TcAttachType::Egress,
        _ => TcAttachType::Ingress,
    }
}

/// Name of the program with that id, for people.
pub(super) fn program_name(id: u32) -> String {
    let named = loaded_programs().filter_map(Result::ok).find(|program| program.id() == id);
    named
        .and_then(|program| program.name_as_str().map(str::to_owned))
        .unwrap_or_else(|| "unnamed".into())
}
