//! Attaches programs to interfaces by pinned links, so that forwarding outlives the agent, and
//! replaces the programs of existing links atomically, so that an upgrade misses no packet.

use aya::{
    Ebpf,
    programs::{
        ProgramError, SchedClassifier, Xdp, XdpMode, links::FdLink, tc::SchedClassifierLink,
        xdp::XdpLink,
    },
};
use nix::errno::Errno;

use super::{
    Dataplane, TcProgram,
    link::{
        AttachError, Attached, attach_type, failed, live, open, program, program_name, programs_on,
        xdp_program,
    },
    pins::{Pins, interface_of, link_name, list},
    programs::{Hook, LINK_KINDS, XDP_NODE},
};

impl Dataplane {
    /// Attaches `xdp_node` to `interface` in native mode, or replaces the program of an existing
    /// link.
    ///
    /// # Errors
    /// [`AttachError`]: another XDP program on the interface and a missing native mode are refused.
    pub fn attach_xdp(&mut self, interface: &str) -> Result<Attached, AttachError> {
        let link = link_name("xdp", interface);
        let on_interface = xdp_program(interface)?;
        let old = live(&self.pins.link(&link), on_interface.as_slice())?;
        let program: &mut Xdp = program(&mut self.ebpf, XDP_NODE)?;
        let replaced = old.is_some();
        match (old, on_interface) {
            // The link stays pinned: to pin it again would fail.
            (Some(old), _) => {
                let old = XdpLink::try_from(old).map_err(failed("reuse", &link))?;
                program.attach_to_link(old).map_err(failed("replace the program of", &link))?;
            }
            (None, Some(id)) => return Err(other_xdp(interface, id)),
            (None, None) => self.new_xdp(&link, interface)?,
        }
        Ok(Attached { link, program: XDP_NODE, replaced })
    }

    fn new_xdp(&mut self, link: &str, interface: &str) -> Result<(), AttachError> {
        let program: &mut Xdp = program(&mut self.ebpf, XDP_NODE)?;
        let id = match program.attach(interface, XdpMode::Driver) {
            Err(error) if is_unsupported(&error) => {
                return Err(AttachError::NoNativeXdp { interface: interface.into() });
            }
            attached => attached.map_err(failed("attach", link))?,
        };
        let made = program.take_link(id).map_err(failed("take", link))?;
        // Where the kernel refused a BPF link aya attached by netlink; that would end with the agent.
        pin(&self.pins, FdLink::try_from(made).map_err(failed("get a BPF link for", link))?, link)
    }

    /// Loads a program that is about to be attached, if it is not loaded yet: later the verifier's time
    /// would count.
    ///
    /// # Errors
    /// [`AttachError::Program`].
    pub fn load(&mut self, which: TcProgram) -> Result<(), AttachError> {
        program::<SchedClassifier>(&mut self.ebpf, which.name()).map(drop)
    }

    /// Attaches a program to its tcx hook of `interface`, or replaces the program of an
    /// existing link.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn attach_tcx(
        &mut self,
        which: TcProgram,
        interface: &str,
    ) -> Result<Attached, AttachError> {
        let link = link_name(which.link_kind(), interface);
        put_tcx(&mut self.ebpf, &self.pins, which, interface, link)
    }

    /// Detaches one program from `interface`, if this data plane attached it there. Returns whether it
    /// did.
    ///
    /// # Errors
    /// [`AttachError::Link`].
    pub fn detach_tcx(&mut self, which: TcProgram, interface: &str) -> Result<bool, AttachError> {
        Ok(remove(&self.pins, &link_name(which.link_kind(), interface))?.is_some())
    }

    /// Detaches what this data plane attached to `interface`; does nothing where there is nothing.
    /// Returns the names of the removed links.
    ///
    /// # Errors
    /// [`AttachError::Link`].
    pub fn detach_interface(&mut self, interface: &str) -> Result<Vec<String>, AttachError> {
        let links = LINK_KINDS.map(|(kind, _)| link_name(kind, interface));
        let removed = links.into_iter().filter_map(|link| remove(&self.pins, &link).transpose());
        removed.collect()
    }

    /// Removes pinned links whose interface is gone or was made anew. Returns their names.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn prune_links(&mut self) -> Result<Vec<String>, AttachError> {
        let mut removed = Vec::new();
        for link in list(&self.pins.links_dir())? {
            let Some((hook, interface)) = on_interface(&link) else { continue };
            // An interface that cannot be asked about is gone.
            let on_interface = programs_on(&interface, hook).unwrap_or_default();
            if live(&self.pins.link(&link), &on_interface)?.is_none() {
                removed.push(link);
            }
        }
        Ok(removed)
    }

    /// The interfaces that have pinned links, with the hook of each link.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn linked_interfaces(&self) -> Result<Vec<(Hook, String)>, AttachError> {
        Ok(list(&self.pins.links_dir())?
            .into_iter()
            .filter_map(|link| on_interface(&link))
            .collect())
    }
}

/// Attaches a program to its tcx hook of an interface in the calling thread's namespace, or replaces
/// the program of the existing link.
pub(super) fn put_tcx(
    ebpf: &mut Ebpf,
    pins: &Pins,
    which: TcProgram,
    interface: &str,
    link: String,
) -> Result<Attached, AttachError> {
    let old = live(&pins.link(&link), &programs_on(interface, which.hook())?)?;
    let replaced = old.is_some();
    let program: &mut SchedClassifier = program(ebpf, which.name())?;
    if let Some(old) = old {
        let old = SchedClassifierLink::try_from(old).map_err(failed("reuse", &link))?;
        program.attach_to_link(old).map_err(failed("replace the program of", &link))?;
    } else {
        let made = program.attach(interface, attach_type(which.hook()));
        let id = made.map_err(failed("attach", &link))?;
        let made = program.take_link(id).map_err(failed("take", &link))?;
        pin(pins, FdLink::try_from(made).map_err(failed("get a BPF link for", &link))?, &link)?;
    }
    Ok(Attached { link, program: which.name(), replaced })
}

/// Removes a pinned link, and with it its program from the interface.
pub(super) fn remove(pins: &Pins, link: &str) -> Result<Option<String>, AttachError> {
    let Some(pinned) = open(&pins.link(link)).map_err(failed("open", link))? else {
        return Ok(None);
    };
    // The descriptor is the last reference: closing it detaches before this returns.
    drop(pinned.unpin().map_err(failed("unpin", link))?);
    Ok(Some(link.into()))
}

fn pin(pins: &Pins, made: FdLink, link: &str) -> Result<(), AttachError> {
    made.pin(pins.link(link)).map(drop).map_err(failed("pin", link))
}

/// The hook and the interface that a link's name tells; `None`: not on an interface.
fn on_interface(link: &str) -> Option<(Hook, String)> {
    LINK_KINDS.into_iter().find_map(|(kind, hook)| Some((hook, interface_of(link, kind)?)))
}

fn other_xdp(interface: &str, id: u32) -> AttachError {
    AttachError::OtherXdp { interface: interface.into(), id, name: program_name(id) }
}

fn is_unsupported(error: &ProgramError) -> bool {
    let ProgramError::SyscallError(error) = error else { return false };
    error.io_error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32)
}
