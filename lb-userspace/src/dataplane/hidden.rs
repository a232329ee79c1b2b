//! Programs on interfaces in namespaces that are not the node's: the node ends of overlay legs, which a
//! Docker Engine hides in a namespace per network. A link is made from a thread inside; pinned it lies
//! with the others, whose directory no network namespace hides, under the names of both.

use std::collections::BTreeSet;

use aya::Ebpf;
use nix::{errno::Errno, net::if_::if_nameindex};

use super::{
    AttachError, Dataplane, Pins, TcProgram,
    attach::{put_tcx, remove},
    link::{live, programs_on},
    pins::{interface_of, link_name, list},
};
use crate::host::netns::Namespace;

/// The programs of such an interface.
const PROGRAMS: [TcProgram; 2] = [TcProgram::VipOut, TcProgram::VipIn];
/// How Docker names the node ends of overlay legs; its bridge and its vxlan devices have other names.
const VETH: &str = "veth";

/// An interface in a hidden namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HiddenEnd {
    /// Inode of the namespace.
    pub inode: u64,
    /// The interface's index in it.
    pub ifindex: u32,
    /// Its name.
    pub interface: String,
}

/// The node ends of overlay legs in one namespace, after they were seen to.
#[derive(Debug, Default)]
pub struct HiddenEnds {
    /// Those that carry their programs.
    pub attached: BTreeSet<HiddenEnd>,
    /// Links that were made or whose program was replaced.
    pub links: Vec<String>,
    /// What could not be done.
    pub problems: Vec<AttachError>,
}

/// What a thread inside a namespace works with.
struct Inside<'a> {
    ebpf: &'a mut Ebpf,
    pins: &'a Pins,
    name: &'a str,
    inode: u64,
}

impl Dataplane {
    /// Attaches the programs of virtual IPs to every overlay leg's end in `namespace`, the file `name` in
    /// Docker's directory, or replaces the programs of existing links. Those in `done` are left alone:
    /// this process has seen to them.
    ///
    /// # Errors
    /// The namespace cannot be entered or asked; troubles with one interface are in [`HiddenEnds::problems`].
    pub fn attach_vips(
        &mut self,
        name: &str,
        namespace: &Namespace,
        done: &BTreeSet<HiddenEnd>,
    ) -> Result<HiddenEnds, AttachError> {
        let (ebpf, pins, inode) = (&mut self.ebpf, &self.pins, namespace.inode());
        namespace.run(|| Inside { ebpf, pins, name, inode }.attach(done))?
    }

    /// Removes links of `namespace` whose interface is gone or was made anew, and tells which of `done`
    /// have their links still.
    ///
    /// # Errors
    /// The namespace cannot be entered or asked, or a link not be removed.
    pub fn check_vips(
        &mut self,
        name: &str,
        namespace: &Namespace,
        done: &BTreeSet<HiddenEnd>,
    ) -> Result<BTreeSet<HiddenEnd>, AttachError> {
        let (ebpf, pins, inode) = (&mut self.ebpf, &self.pins, namespace.inode());
        namespace.run(|| Inside { ebpf, pins, name, inode }.check(done))?
    }

    /// Removes the links of all namespaces but those whose names are `kept`. Returns their names.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn retain_vips(&mut self, kept: &BTreeSet<String>) -> Result<Vec<String>, AttachError> {
        let links = list(&self.pins.links_dir())?.into_iter();
        let others =
            links.filter(|link| place(link).is_some_and(|(name, _)| !kept.contains(&name)));
        others.filter_map(|link| remove(&self.pins, &link).transpose()).collect()
    }
}

impl Inside<'_> {
    fn attach(&mut self, done: &BTreeSet<HiddenEnd>) -> Result<HiddenEnds, AttachError> {
        let mut ends = HiddenEnds::default();
        for end in self.ends()? {
            if done.contains(&end) {
                ends.attached.insert(end);
                continue;
            }
            match self.put(&end) {
                Ok(links) => {
                    ends.links.extend(links);
                    ends.attached.insert(end);
                }
                // It may have gone meanwhile.
                Err(error) if self.ends()?.contains(&end) => ends.problems.push(error),
                Err(_gone) => {}
            }
        }
        Ok(ends)
    }

    fn put(&mut self, end: &HiddenEnd) -> Result<Vec<String>, AttachError> {
        let mut links = Vec::new();
        for which in PROGRAMS {
            let link = self.link(which, &end.interface);
            links.push(put_tcx(self.ebpf, self.pins, which, &end.interface, link)?.link);
        }
        Ok(links)
    }

    fn check(&mut self, done: &BTreeSet<HiddenEnd>) -> Result<BTreeSet<HiddenEnd>, AttachError> {
        let ends = self.ends()?;
        let names: BTreeSet<&str> = ends.iter().map(|end| end.interface.as_str()).collect();
        self.remove_all_but(&names)?;
        let stands = |end: &&HiddenEnd| done.contains(end) && self.is_linked(&end.interface);
        Ok(ends.iter().filter(stands).cloned().collect())
    }

    fn remove_all_but(&self, names: &BTreeSet<&str>) -> Result<(), AttachError> {
        for link in list(&self.pins.links_dir())? {
            let Some((name, interface)) = place(&link) else { continue };
            if name == self.name && !names.contains(interface.as_str()) {
                remove(self.pins, &link)?;
            }
        }
        Ok(())
    }

    /// Whether all links of that interface are alive; a dead one is removed.
    fn is_linked(&self, interface: &str) -> bool {
        PROGRAMS.into_iter().all(|which| {
            let on_interface = programs_on(interface, which.hook()).unwrap_or_default();
            let pin = self.pins.link(&self.link(which, interface));
            matches!(live(&pin, &on_interface), Ok(Some(_)))
        })
    }

    fn ends(&self) -> Result<Vec<HiddenEnd>, AttachError> {
        let failed = |errno: Errno| AttachError::Hidden(self.name.into(), errno.into());
        let found = if_nameindex().map_err(failed)?;
        let end = |found: &nix::net::if_::Interface| {
            let (interface, ifindex) = (found.name().to_string_lossy().into_owned(), found.index());
            interface.starts_with(VETH).then_some(HiddenEnd {
                inode: self.inode,
                ifindex,
                interface,
            })
        };
        Ok(found.iter().filter_map(end).collect())
    }

    fn link(&self, which: TcProgram, interface: &str) -> String {
        link_name(&kind(which), &format!("{}-{interface}", self.name))
    }
}

/// First part of the names of links in hidden namespaces, apart from those in the node's.
fn kind(which: TcProgram) -> String {
    format!("hidden-{}", which.link_kind())
}

/// The namespace and the interface that a link's name tells; `None`: not in a hidden namespace.
fn place(link: &str) -> Option<(String, String)> {
    let whole = PROGRAMS.into_iter().find_map(|which| interface_of(link, &kind(which)))?;
    whole.rsplit_once('-').map(|(name, interface)| (name.into(), interface.into()))
}
