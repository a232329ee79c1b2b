//! The node's identity as it is now. The engine renews certificates and rotates the root at any time,
//! so each new connection asks here, and the files are read again when one of them has changed.
use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    StreamError,
    complaints::Complaints,
    identity::{CERTIFICATE, Identity, KEY, ROOTS},
};

/// What tells one version of a file from another: inode, length, time of its last change.
type Stamp = Option<(u64, u64, i64, i64)>;

/// What complaints are about.
const ABOUT: &str = "this node's certificate";

/// The node's identity, read again when its files change.
#[derive(Debug)]
pub(super) struct Credentials {
    dir: PathBuf,
    last: Mutex<Option<Last>>,
    complaints: Complaints,
}

#[derive(Debug)]
struct Last {
    stamps: [Stamp; 3],
    identity: Arc<Identity>,
}

impl Credentials {
    /// Reads nothing yet. What is wrong with the files is told in `complaints`.
    pub(super) fn new(dir: PathBuf, complaints: Complaints) -> Self {
        Self { dir, last: Mutex::default(), complaints }
    }

    /// The identity of now.
    ///
    /// # Errors
    /// [`StreamError::NoIdentity`] while the files cannot be used, as between the moments at which the
    /// engine replaces the key and the certificate.
    pub(super) fn current(&self) -> Result<Arc<Identity>, StreamError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Before they are read: a change meanwhile is seen the next time.
        let stamps = [CERTIFICATE, KEY, ROOTS].map(|name| stamp(&self.dir.join(name)));
        if let Some(last) = last.as_ref().filter(|last| last.stamps == stamps) {
            return Ok(last.identity.clone());
        }
        let read = Identity::read(&self.dir);
        let identity = match read {
            Ok(identity) => Arc::new(identity),
            Err(error) => {
                self.complaints.raise(ABOUT, error.to_string());
                return Err(StreamError::NoIdentity);
            }
        };
        self.complaints.settle(ABOUT);
        *last = Some(Last { stamps, identity: identity.clone() });
        Ok(identity)
    }
}

/// `None` where there is no such file; why is told when it is read.
fn stamp(path: &Path) -> Stamp {
    let facts: io::Result<fs::Metadata> = fs::metadata(path);
    facts.ok().map(|facts| (facts.ino(), facts.len(), facts.mtime(), facts.mtime_nsec()))
}
