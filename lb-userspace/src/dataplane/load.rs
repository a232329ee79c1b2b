//! Opens the data plane: checks what is pinned, loads the object onto it, and hands out the whole.

use std::path::Path;

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    programs::{Program, ProgramError},
};
use lb_common::addr::V4;

use super::{
    Globals, Object, ObjectError,
    detach::detach,
    error::chain,
    maps::{Maps, MapsError},
    pins::{PinLock, Pins, PinsError},
    programs::{PROGRAMS, TcProgram},
    ranges::MapRanges,
    schema::{self, SchemaError},
};
use crate::ranges::ReserveError;

/// Lines of the verifier's log that an error shows.
const SHOWN_LOG_LINES: usize = 12;

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
    #[cfg(feature = "trace")]
    _decisions: Option<super::decisions::Decisions>,
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
    #[error(transparent)]
    Program(#[from] Refused),
    /// The maps.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// Ranges that services own.
    #[error(transparent)]
    Ranges(#[from] ReserveError),
}

/// The verifier refused a program.
#[derive(Debug, thiserror::Error)]
#[error("the kernel refused the program {name}: {reason}")]
pub struct Refused {
    /// The program.
    pub name: &'static str,
    /// Why, with the end of the verifier's log; all of it is logged at level debug.
    pub reason: String,
}

impl Dataplane {
    /// Loads `object` with its maps pinned below `pin_root`: maps that are there are reused with
    /// their contents, others are made. Nothing is attached yet. Programs that not every node needs are
    /// loaded when they are first attached, or by [`Dataplane::load`]. Needs root.
    ///
    /// # Errors
    /// [`LoadError`]; a map of another shape, or another layout, is refused and left alone.
    pub fn open(pin_root: &Path, object: &Object, globals: &Globals) -> Result<Self, LoadError> {
        let bytes = object.bytes()?;
        let pins = Pins::new(pin_root);
        let fresh = !pins.layout_dir().exists();
        let lock = pins.prepare()?;
        match load(&bytes, &pins, globals) {
            Ok((ebpf, maps, ranges)) => {
                #[cfg(feature = "trace")]
                let mut ebpf = ebpf;
                Ok(Self {
                    pins,
                    #[cfg(feature = "trace")]
                    _decisions: super::decisions::listen(&mut ebpf),
                    ebpf,
                    maps,
                    ranges,
                    node_addr: globals.node_addr,
                    _lock: lock,
                })
            }
            Err(error) => {
                drop(lock);
                if fresh {
                    undo(pin_root);
                }
                Err(error)
            }
        }
    }

    /// Where it is pinned.
    #[must_use]
    pub const fn pins(&self) -> &Pins {
        &self.pins
    }

    /// A program by its name in the object, loaded, for measurements.
    ///
    /// # Errors
    /// [`LoadError::MissingProgram`] or [`LoadError::Program`].
    pub fn program(&mut self, name: &'static str) -> Result<&Program, LoadError> {
        let program = self.ebpf.program_mut(name).ok_or(LoadError::MissingProgram(name))?;
        ensure_loaded(name, program)?;
        Ok(program)
    }

    /// The maps that the agent writes.
    #[must_use]
    pub const fn maps(&self) -> &Maps {
        &self.maps
    }
}

fn load(
    bytes: &[u8],
    pins: &Pins,
    globals: &Globals,
) -> Result<(Ebpf, Maps, MapRanges), LoadError> {
    let declared = schema::declared(bytes)?;
    schema::check(pins, &declared)?;
    let paths: Vec<_> = declared.keys().map(|name| (name.as_str(), pins.map(name))).collect();
    let mut loader = EbpfLoader::new();
    globals.set(&mut loader);
    for (name, path) in &paths {
        loader.map_pin_path(name, path.as_path());
    }
    let mut ebpf = loader.load(bytes).map_err(|error| LoadError::Load(Box::new(error)))?;
    load_programs(&mut ebpf, globals)?;
    let maps = Maps::open(pins)?;
    let ranges = MapRanges::of(&maps)?;
    Ok((ebpf, maps, ranges))
}

/// Removes what a first load that failed has made.
fn undo(pin_root: &Path) {
    if let Err(error) = detach(pin_root) {
        tracing::warn!(%error, "cannot remove what was pinned before loading failed");
    }
}

fn load_programs(ebpf: &mut Ebpf, globals: &Globals) -> Result<(), LoadError> {
    for (name, _) in PROGRAMS {
        let program = ebpf.program_mut(name).ok_or(LoadError::MissingProgram(name))?;
        if is_needed_at_once(name, globals) {
            ensure_loaded(name, program)?;
        }
    }
    Ok(())
}

/// Whether every such node needs a program. The others wait until they are attached, as the verifier
/// takes a third of its time for them: `tc_overlay` needs a network, virtual IPs' need Docker.
fn is_needed_at_once(name: &str, globals: &Globals) -> bool {
    let is = |program: TcProgram| name == program.name();
    if is(TcProgram::VipOut) || is(TcProgram::VipIn) {
        return globals.beside_docker != 0;
    }
    !is(TcProgram::Overlay)
}

/// Loads a program unless it is loaded.
pub(super) fn ensure_loaded(name: &'static str, program: &mut Program) -> Result<(), Refused> {
    if program.fd().is_ok() {
        return Ok(());
    }
    load_program(program).map_err(|error| refusal(name, &error))
}

/// Why a program was refused. The verifier tells the whole way; the reason stands at its end.
fn refusal(name: &'static str, error: &ProgramError) -> Refused {
    let reason = match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            tracing::debug!(program = name, "refused by the verifier:\n{log}");
            format!("{io_error}; the verifier's last words:\n{}", tail(&log))
        }
        error => chain(error),
    };
    Refused { name, reason }
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.trim_end().lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LOG_LINES)..].join("\n")
}

fn load_program(program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::Xdp(program) => program.load(),
        Program::SchedClassifier(program) => program.load(),
        Program::CgroupSockAddr(program) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_not_every_node_needs_waits() {
        let standalone = Globals::default();
        let docker = Globals { beside_docker: 1, ..standalone };
        let waiting = |globals| -> Vec<&str> {
            let names = PROGRAMS.map(|(name, _)| name).into_iter();
            names.filter(|name| !is_needed_at_once(name, globals)).collect()
        };
        assert_eq!(waiting(&standalone), ["tc_overlay", "tc_vip_out", "tc_vip_in"]);
        assert_eq!(waiting(&docker), ["tc_overlay"]);
    }

    #[test]
    fn a_long_log_is_shown_by_its_end() {
        let log: String = (0..100).map(|line| format!("{line}\n")).collect();
        assert!(tail(&log).starts_with("88\n") && tail(&log).ends_with("\n99"));
        assert_eq!(tail(""), "");
    }
}
