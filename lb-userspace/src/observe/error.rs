//! What can go wrong while pinned state is read; the texts say what to do.
use std::{io, path::PathBuf};

use aya::{
    maps::MapError,
    programs::{ProgramError, links::LinkError},
};
use lb_common::LAYOUT_VERSION;

/// Why pinned state could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// No data plane under the pin root.
    #[error(
        "nothing is pinned under {root}: start `swarmlb agent` there, or name another place with --pin-root"
    )]
    NothingPinned {
        /// The pin root that was asked for.
        root: PathBuf,
    },
    /// Pins of another version of swarmlb.
    #[error(
        "{root} holds pins of layout {found}, this swarmlb reads v{}: use the swarmlb that made them, or remove them with `swarmlb detach --pin-root {root}`",
        LAYOUT_VERSION
    )]
    OtherLayout {
        /// The pin root that was asked for.
        root: PathBuf,
        /// Directory name of the layout that is there.
        found: String,
    },
    /// A directory of pins could not be listed.
    #[error("cannot list {path}: {source} (reading pins needs root)")]
    List {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A pinned map could not be opened or read.
    #[error("cannot read map {name}: {source} (reading pins needs root)")]
    Map {
        /// The map's name.
        name: &'static str,
        /// What the system said.
        source: MapError,
    },
    /// A pinned link could not be opened.
    #[error("cannot read link {name}: {source} (reading pins needs root)")]
    Link {
        /// The pin's file name.
        name: String,
        /// What the system said.
        source: LinkError,
    },
    /// The kernel's programs could not be listed.
    #[error("cannot list the kernel's programs: {source} (needs root)")]
    Programs {
        /// What the system said.
        source: ProgramError,
    },
    /// No service of that name.
    #[error("no service `{name}` here; there {known}")]
    UnknownService {
        /// The name that was asked for.
        name: String,
        /// The ones that exist, as half a sentence.
        known: String,
    },
}

impl ObserveError {
    /// An [`ObserveError::UnknownService`] that lists what there is.
    pub(super) fn unknown_service<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Self {
        let known: Vec<_> = known.collect();
        let known =
            if known.is_empty() { "are none".into() } else { format!("are: {}", known.join(", ")) };
        Self::UnknownService { name: name.into(), known }
    }
}
