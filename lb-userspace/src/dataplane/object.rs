//! The BPF object: the one embedded at build time, or a file for upgrades and experiments.

use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
};

/// Where the BPF programs come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Object {
    /// The object that was built with this binary.
    #[default]
    Embedded,
    /// An object file (`--object FILE`).
    File(PathBuf),
}

/// The object file could not be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read the BPF object {path:?}: {source}; name a file built by `cargo xtask build-and-load`"
)]
pub struct ObjectError {
    path: PathBuf,
    source: io::Error,
}

static EMBEDDED: &[u8] = aya::include_bytes_aligned!(env!("SWARMLB_BPF_OBJECT"));

impl Object {
    /// The file if one is named, else the embedded object.
    #[must_use]
    pub fn from_option(file: Option<&Path>) -> Self {
        file.map_or(Self::Embedded, |path| Self::File(path.into()))
    }

    /// The object's bytes.
    ///
    /// # Errors
    /// [`ObjectError`] when the named file cannot be read.
    pub fn bytes(&self) -> Result<Cow<'static, [u8]>, ObjectError> {
        match self {
            Self::Embedded => Ok(Cow::Borrowed(EMBEDDED)),
            Self::File(path) => fs::read(path)
                .map(Cow::Owned)
                .map_err(|source| ObjectError { path: path.clone(), source }),
        }
    }
}
