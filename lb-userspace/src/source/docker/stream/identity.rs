//! The node's own identity in its Swarm: certificate, key and the Swarm's root certificates, read from
//! the files that the engine keeps. They are the engine's: nothing is written, and nothing but their
//! names and the certificate's subject is ever told.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::{StreamError, subject::Subject, tls};

/// The node's certificate, with intermediate ones after it while the root is being rotated.
pub(super) const CERTIFICATE: &str = "swarm-node.crt";
/// Its key.
pub(super) const KEY: &str = "swarm-node.key";
/// The Swarm's root certificates, more than one while the root is being rotated.
pub(super) const ROOTS: &str = "swarm-root-ca.crt";

/// What a node needs to be known by others and to know them.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// Who the node is.
    pub(super) subject: Subject,
    /// For connections from others.
    pub(super) server: Arc<ServerConfig>,
    /// For connections to others.
    pub(super) client: Arc<ClientConfig>,
}

impl Identity {
    /// Reads the files in `dir`.
    ///
    /// # Errors
    /// [`StreamError`] with the file's name.
    pub(super) fn read(dir: &Path) -> Result<Self, StreamError> {
        let chain = certificates(dir.join(CERTIFICATE))?;
        let subject = subject_in(dir, &chain)?;
        let key = key(dir.join(KEY))?;
        let mut roots = RootCertStore::empty();
        let unusable = |source| StreamError::Unusable { path: dir.to_owned(), source };
        for root in certificates(dir.join(ROOTS))? {
            roots.add(root).map_err(unusable)?;
        }
        let roots = Arc::new(roots);
        let server = tls::server(dir, &roots, chain.clone(), key.clone_key())?;
        let client = tls::client(dir, roots, chain, key)?;
        Ok(Self { subject, server: Arc::new(server), client: Arc::new(client) })
    }
}

/// Who this node is, by the certificate in `dir` (`swarm/certificates` in the engine's data-root).
/// Works without the key, which may be locked.
///
/// # Errors
/// [`StreamError`] with the file's name.
pub fn own_subject(dir: &Path) -> Result<Subject, StreamError> {
    subject_in(dir, &certificates(dir.join(CERTIFICATE))?)
}

fn subject_in(dir: &Path, chain: &[CertificateDer<'_>]) -> Result<Subject, StreamError> {
    let content = |reason: String| StreamError::Content {
        path: dir.join(CERTIFICATE),
        wanted: "certificate of a Swarm node",
        reason,
    };
    let first = chain.first().ok_or_else(|| content("it is empty".into()))?;
    Subject::of(first).map_err(|error| content(error.to_string()))
}

fn certificates(path: PathBuf) -> Result<Vec<CertificateDer<'static>>, StreamError> {
    let text = fs::read(&path).map_err(StreamError::file("read", &path))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let reason = match read {
        Ok(certificates) if !certificates.is_empty() => return Ok(certificates),
        Ok(_) => "it has none in it".into(),
        Err(error) => format!("{error}"),
    };
    Err(StreamError::Content { path, wanted: "file of certificates", reason })
}

/// Reads a key. The parser's own words are not passed on, since they could quote the file.
fn key(path: PathBuf) -> Result<PrivateKeyDer<'static>, StreamError> {
    let text = fs::read(&path).map_err(StreamError::file("read", &path))?;
    let text = without_headers(&text);
    if is_locked(&text) {
        return Err(StreamError::Locked { path });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| StreamError::Content {
        path,
        wanted: "key",
        reason: "there is no PEM block of a private key in it".into(),
    })
}

/// A PEM file without RFC 1421 headers, in which swarmkit keeps the key of the managers' log
/// (`kek-version`, `raft-dek`), and which RFC 7468 parsers do not know. Base64 has no colon.
fn without_headers(pem: &[u8]) -> Vec<u8> {
    let lines = pem.split_inclusive(|byte| *byte == b'\n');
    let kept = lines.filter(|line| !line.contains(&b':') || line.starts_with(b"-----"));
    kept.flatten().copied().collect()
}

/// Whether the key is encrypted (`--autolock`): PKCS #8 has a label of its own for that.
fn is_locked(pem: &[u8]) -> bool {
    const LABEL: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
    pem.windows(LABEL.len()).any(|window| window == LABEL)
}
