//! Opens the data plane: checks what is pinned, loads the object onto it, and hands out the whole.

use std::path::{Path, PathBuf};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    programs::{Program, ProgramError},
};
use lb_common::addr::V4;

use super::{
    Globals, Object, ObjectError,
    error::chain,
    maps::{Maps, MapsError},
    pins::{PinLock, Pins, PinsError},
    programs::PROGRAMS,
    ranges::MapRanges,
    schema::{self, SchemaError},
};
use crate::ranges::ReserveError;

/// The data plane of one node: programs of this process, maps and links shared through pins.
///
/// Dropping it leaves what is attached and pinned; packets flow on without the agent.
#[derive(Debug)]
pub struct Dataplane {
    pub(super) pins: Pins,
    pub(super) ebpf: Ebpf,
    pub(super) maps: Maps,
    pub(super) ranges: MapRanges,
    pub(super) node_addr: V4,
    _lock: PinLock,
}

/// Why the data plane could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The object file.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The pin directories.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// Pinned maps of another shape.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The kernel or the loader refused the object.
    #[error("cannot load the BPF object: {}", chain(.0))]
    Load(Box<EbpfError>),
    /// The object lacks a program.
    #[error("the BPF object has no program {0:?}; build it from the same source as this binary")]
    MissingProgram(&'static str),
    /// The verifier refused a program.
    #[error("the kernel refused the program {name}: {}", chain(.source))]
    Program {
        /// The program.
        name: &'static str,
        /// Why, with the verifier's log.
        source: Box<ProgramError>,
    },
    /// The maps.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// Ranges that services own.
    #[error(transparent)]
    Ranges(#[from] ReserveError),
}

impl Dataplane {
    /// Loads `object` with its maps pinned below `pin_root`: maps that are there are reused with
    /// their contents, others are made. Nothing is attached yet. Needs root.
    ///
    /// # Errors
    /// [`LoadError`]; a map of another shape, or another layout, is refused and left alone.
    pub fn open(pin_root: &Path, object: &Object, globals: &Globals) -> Result<Self, LoadError> {
        let bytes = object.bytes()?;
        let declared = schema::declared(&bytes)?;
        let pins = Pins::new(pin_root);
        let lock = pins.prepare()?;
        schema::check(&pins, &declared)?;
        let paths: Vec<_> = declared.keys().map(|name| (name.as_str(), pins.map(name))).collect();
        let mut ebpf = load(&bytes, &paths, globals)?;
        load_programs(&mut ebpf)?;
        let maps = Maps::open(&pins)?;
        let ranges = MapRanges::of(&maps)?;
        Ok(Self { pins, ebpf, maps, ranges, node_addr: globals.node_addr, _lock: lock })
    }

    /// Where it is pinned.
    #[must_use]
    pub const fn pins(&self) -> &Pins {
        &self.pins
    }

    /// The maps that the agent writes.
    #[must_use]
    pub const fn maps(&self) -> &Maps {
        &self.maps
    }
}

fn load(bytes: &[u8], paths: &[(&str, PathBuf)], globals: &Globals) -> Result<Ebpf, LoadError> {
    let mut loader = EbpfLoader::new();
    globals.set(&mut loader);
    for (name, path) in paths {
        loader.map_pin_path(name, path.as_path());
    }
    loader.load(bytes).map_err(|error| LoadError::Load(Box::new(error)))
}

fn load_programs(ebpf: &mut Ebpf) -> Result<(), LoadError> {
    for (name, _) in PROGRAMS {
        let program = ebpf.program_mut(name).ok_or(LoadError::MissingProgram(name))?;
        load_program(program)
            .map_err(|source| LoadError::Program { name, source: Box::new(source) })?;
    }
    Ok(())
}

fn load_program(program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::Xdp(program) => program.load(),
        Program::SchedClassifier(program) => program.load(),
        Program::CgroupSockAddr(program) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}
