//! Removes a data plane: links first, so that nothing runs on maps that are going, then maps and
//! directories. Works without an agent, without the object, and on pins of other layouts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    link::{AttachError, failed, open},
    pins::{Pins, PinsError, list},
};

/// What [`detach`] removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Links, as `v1/links/xdp-eth0`; their programs are detached.
    pub links: Vec<String>,
    /// Maps, as `v1/maps/NAT`.
    pub maps: Vec<String>,
}

/// Why not everything could be removed.
#[derive(Debug, thiserror::Error)]
pub enum DetachError {
    /// A directory, or the lock.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// A link.
    #[error(transparent)]
    Link(#[from] AttachError),
}

/// Detaches all programs and removes all pins below `pin_root`, of every layout version. Does
/// nothing where nothing is pinned. Interfaces, routes and the like are not its business.
///
/// # Errors
/// [`DetachError`], for one while an agent works there; what was removed stays removed.
pub fn detach(pin_root: &Path) -> Result<Removed, DetachError> {
    detach_after(pin_root, || Ok(()))
}

/// As [`detach`], but does `first` before anything is detached: what must not be up without its
/// programs goes there. No agent starts meanwhile where something is pinned.
///
/// # Errors
/// [`DetachError`], before `first` while an agent works there; and those of `first`, after which
/// everything is attached and pinned still.
pub fn detach_after<E: From<DetachError>>(
    pin_root: &Path,
    first: impl FnOnce() -> Result<(), E>,
) -> Result<Removed, E> {
    if !pin_root.exists() {
        return first().map(|()| Removed::default());
    }
    let pins = Pins::new(pin_root);
    let _lock = pins.lock().map_err(DetachError::from)?;
    first()?;
    Ok(remove(&pins, pin_root)?)
}

fn remove(pins: &Pins, pin_root: &Path) -> Result<Removed, DetachError> {
    let mut removed = Removed::default();
    let layouts = pins.layouts()?;
    for layout in &layouts {
        removed.links.extend(remove_links(pin_root, &layout.join("links"))?);
    }
    for layout in &layouts {
        removed.maps.extend(remove_maps(pin_root, &layout.join("maps"))?);
        remove_dir(layout)?;
    }
    if list(pin_root)?.is_empty() {
        remove_dir(pin_root)?;
    }
    Ok(removed)
}

fn remove_links(root: &Path, dir: &Path) -> Result<Vec<String>, DetachError> {
    each(root, dir, |path, name| {
        let link = open(path).map_err(failed("open", name))?;
        // The descriptor is the last reference: closing it detaches before this returns.
        link.map_or(Ok(()), |link| link.unpin().map(drop)).map_err(failed("unpin", name))?;
        Ok(())
    })
}

fn remove_maps(root: &Path, dir: &Path) -> Result<Vec<String>, DetachError> {
    each(root, dir, |path, _| Ok(fs::remove_file(path).map_err(PinsError::io("remove", path))?))
}

/// Removes everything in `dir` with `remove`, then `dir`; returns what it was, relative to `root`.
fn each(
    root: &Path,
    dir: &Path,
    remove: impl Fn(&Path, &str) -> Result<(), DetachError>,
) -> Result<Vec<String>, DetachError> {
    let mut removed = Vec::new();
    for name in list(dir)? {
        let path = dir.join(&name);
        remove(&path, &name)?;
        let shown: PathBuf = path.strip_prefix(root).unwrap_or(&path).into();
        removed.push(shown.display().to_string());
    }
    if dir.exists() {
        remove_dir(dir)?;
    }
    Ok(removed)
}

fn remove_dir(dir: &Path) -> Result<(), PinsError> {
    fs::remove_dir(dir).map_err(PinsError::io("remove", dir))
}
