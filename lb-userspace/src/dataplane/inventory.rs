//! What is loaded and pinned, for `build-and-load` and `status`: programs with their cost to the
//! verifier, maps with their memory, links.

use std::{fs, os::fd::AsFd, os::fd::AsRawFd};

use aya::{
    maps::{MapError, MapInfo},
    programs::ProgramInfo,
};
use serde::Serialize;

use super::{
    Dataplane,
    error::chain,
    link::open,
    pins::{Pins, PinsError, list},
    programs::{Hook, PROGRAMS},
};

/// What a data plane consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// Programs of this process.
    pub programs: Vec<ProgramEntry>,
    /// Pinned maps, by name.
    pub maps: Vec<MapEntry>,
    /// Pinned links, by name.
    pub links: Vec<LinkEntry>,
}

/// A loaded program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProgramEntry {
    /// Its name in the object.
    pub name: &'static str,
    /// Where it is attached.
    pub hook: Hook,
    /// The kernel's id.
    pub id: u32,
    /// Instructions that the verifier walked, over all paths.
    pub verified_instructions: Option<u32>,
    /// Instructions after the verifier's rewriting.
    pub translated_instructions: Option<u32>,
    /// Bytes of machine code.
    pub jited_bytes: u32,
}

/// A pinned map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MapEntry {
    /// Name of the pin.
    pub name: String,
    /// The kernel's id.
    pub id: u32,
    /// Its type.
    pub kind: String,
    /// Capacity.
    pub max_entries: u32,
    /// Memory that the kernel accounts to it, bytes.
    pub memory_bytes: Option<u64>,
}

/// A pinned link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkEntry {
    /// Name of the pin: `xdp-IFNAME`, `tcx-IFNAME`, `cgroup-PROGRAM`.
    pub name: String,
    /// The kernel's id of the link.
    pub id: u32,
    /// The kernel's id of the program.
    pub program: u32,
}

/// Why the inventory could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// A directory.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// A program, map or link did not answer.
    #[error("cannot ask about {what} {name}: {reason}")]
    Ask {
        /// Program, map or link.
        what: &'static str,
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
}

impl Dataplane {
    /// What is loaded and pinned now.
    ///
    /// # Errors
    /// [`InventoryError`].
    pub fn inventory(&self) -> Result<Inventory, InventoryError> {
        let programs = PROGRAMS
            .iter()
            .filter_map(|&(name, hook)| Some((name, hook, self.ebpf.program(name)?)));
        let programs = programs.map(|(name, hook, program)| {
            program
                .info()
                .map(|info| program_entry(name, hook, &info))
                .map_err(asking("program", name))
        });
        let (maps, links) = (list(&self.pins.maps_dir())?, list(&self.pins.links_dir())?);
        Ok(Inventory {
            programs: programs.collect::<Result<_, InventoryError>>()?,
            maps: maps
                .into_iter()
                .map(|name| map_entry(&self.pins, name))
                .collect::<Result<_, _>>()?,
            links: links
                .into_iter()
                .filter_map(|name| link_entry(&self.pins, name).transpose())
                .collect::<Result<_, _>>()?,
        })
    }
}

fn program_entry(name: &'static str, hook: Hook, info: &ProgramInfo) -> ProgramEntry {
    ProgramEntry {
        name,
        hook,
        id: info.id(),
        verified_instructions: info.verified_instruction_count(),
        // The kernel counts bytes; an instruction has eight.
        translated_instructions: info.size_translated().map(|bytes| bytes / 8),
        jited_bytes: info.size_jitted(),
    }
}

fn map_entry(pins: &Pins, name: String) -> Result<MapEntry, InventoryError> {
    let info = MapInfo::from_pin(pins.map(&name)).map_err(asking("map", &name))?;
    Ok(MapEntry {
        id: info.id(),
        kind: info.map_type().map_or_else(|_| "unknown".into(), |kind| format!("{kind:?}")),
        max_entries: info.max_entries(),
        memory_bytes: memory_bytes(&info).map_err(asking("map", &name))?,
        name,
    })
}

/// `memlock` of the map's descriptor: what the kernel accounts, per-CPU copies included.
fn memory_bytes(info: &MapInfo) -> Result<Option<u64>, MapError> {
    let fd = info.fd()?;
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("memlock:"));
    Ok(line.and_then(|bytes| bytes.trim().parse().ok()))
}

fn link_entry(pins: &Pins, name: String) -> Result<Option<LinkEntry>, InventoryError> {
    let Some(pinned) = open(&pins.link(&name)).map_err(asking("link", &name))? else {
        return Ok(None);
    };
    let link = aya::programs::links::FdLink::from(pinned);
    let info = link.info().map_err(asking("link", &name))?;
    Ok(Some(LinkEntry { id: info.id(), program: info.program_id(), name }))
}

fn asking<E: std::error::Error>(
    what: &'static str,
    name: &str,
) -> impl FnOnce(E) -> InventoryError {
    move |error| InventoryError::Ask { what, name: name.into(), reason: chain(&error) }
}
