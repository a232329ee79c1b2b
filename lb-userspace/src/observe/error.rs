//! What can go wrong while pinned state is read; the texts say what to do.
use std::path::PathBuf;

use lb_common::LAYOUT_VERSION;

use crate::dataplane::{InventoryError, MapsError, PinsError};

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
    /// The pin root could not be looked at.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// A pinned map could not be opened or read.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// A pinned link, program or map did not answer.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// No service of that name.
    #[error("no service `{name}` here; there {known}")]
    UnknownService {
        /// The name that was asked for.
        name: String,
        /// The ones that exist, as half a sentence.
        known: String,
    },
    /// No network of that name.
    #[error("no network `{name}` here; there {known}")]
    UnknownNetwork {
        /// The name that was asked for.
        name: String,
        /// The ones that exist, as half a sentence.
        known: String,
    },
}

impl ObserveError {
    /// An [`ObserveError::UnknownService`] that lists what there is.
    pub(super) fn unknown_service<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Self {
        Self::UnknownService { name: name.into(), known: half_sentence(known) }
    }

    /// An [`ObserveError::UnknownNetwork`] that lists what there is.
    pub(super) fn unknown_network<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Self {
        Self::UnknownNetwork { name: name.into(), known: half_sentence(known) }
    }
}

fn half_sentence<'a>(known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.collect();
    if known.is_empty() { "are none".into() } else { format!("are: {}", known.join(", ")) }
}
