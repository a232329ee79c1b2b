//! What is pinned, for `load` and `status`: links, the programs that they run with their cost to the
//! verifier, maps with their memory. Asked of the kernel, so it needs no agent.

use std::{
    fs,
    os::fd::{AsFd, AsRawFd},
    time::UNIX_EPOCH,
};

use aya::{
    maps::{MapError, MapInfo},
    programs::{ProgramInfo, loaded_programs},
};
use serde::Serialize;

use super::{
    error::chain,
    link::open,
    pins::{Pins, PinsError, list},
};

/// What a data plane consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// Pinned links, by name.
    pub links: Vec<LinkEntry>,
    /// The programs that they run, by id.
    pub programs: Vec<ProgramEntry>,
    /// Pinned maps, by name.
    pub maps: Vec<MapEntry>,
}

/// A program that a pinned link runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProgramEntry {
    /// The kernel's id.
    pub id: u32,
    /// Its name in the object.
    pub name: String,
    /// The kernel's hash of its instructions, as bpftool prints it.
    pub tag: String,
    /// When it was loaded, seconds since 1970.
    pub loaded_at_unix_secs: Option<u64>,
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

impl Pins {
    /// What is pinned now.
    ///
    /// # Errors
    /// [`InventoryError`].
    pub fn inventory(&self) -> Result<Inventory, InventoryError> {
        let links = self.links()?;
        let programs = programs(&links)?;
        let maps = list(&self.maps_dir())?.into_iter().map(|name| map_entry(self, name));
        Ok(Inventory { links, programs, maps: maps.collect::<Result<_, _>>()? })
    }

    /// The pinned links.
    ///
    /// # Errors
    /// [`InventoryError`].
    pub fn links(&self) -> Result<Vec<LinkEntry>, InventoryError> {
        let links = list(&self.links_dir())?.into_iter();
        links.filter_map(|name| link_entry(self, name).transpose()).collect()
    }
}

fn programs(links: &[LinkEntry]) -> Result<Vec<ProgramEntry>, InventoryError> {
    let mut programs = Vec::new();
    for info in loaded_programs() {
        let info = info.map_err(asking("program", "of a pinned link"))?;
        if links.iter().any(|link| link.program == info.id()) {
            programs.push(program_entry(&info));
        }
    }
    Ok(programs)
}

fn program_entry(info: &ProgramInfo) -> ProgramEntry {
    let loaded_at = info.loaded_at().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    ProgramEntry {
        id: info.id(),
        name: info.name_as_str().unwrap_or_default().into(),
        // The kernel gives eight bytes, aya one number of them in this machine's order.
        tag: info.tag().to_ne_bytes().map(|byte| format!("{byte:02x}")).concat(),
        loaded_at_unix_secs: loaded_at.map(|age| age.as_secs()),
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
