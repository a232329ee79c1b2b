//! TLS as agents speak it: 1.3 or 1.2, certificates on both sides, the Swarm's root certificates and
//! no others, no resumption, so that every connection is checked against the certificates of now.
use std::{path::Path, sync::Arc};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, ring},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};

use super::{StreamError, subject::Subject};

/// The name in each manager's certificate.
const MANAGER: &str = "swarm-manager";

/// For a manager's agent: who comes must show a certificate of the Swarm.
pub(super) fn server(
    dir: &Path,
    roots: &Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, StreamError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider()).build();
    let verifier = verifier
        .map_err(|error| StreamError::Roots { path: dir.to_owned(), reason: error.to_string() })?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_client_cert_verifier(verifier))
        .and_then(|builder| builder.with_single_cert(chain, key))
        .map_err(unusable(dir))?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// For an agent that connects to a manager's.
pub(super) fn client(
    dir: &Path,
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, StreamError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots))
        .and_then(|builder| builder.with_client_auth_cert(chain, key))
        .map_err(unusable(dir))?;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The name that a manager's certificate must have.
pub(super) fn manager_name() -> Result<ServerName<'static>, StreamError> {
    ServerName::try_from(MANAGER).map_err(|error| StreamError::Stranger(error.to_string()))
}

/// Who is at the other end of a connection whose handshake went well.
///
/// # Errors
/// The certificate is none of a Swarm node.
pub(super) fn peer(shown: Option<&[CertificateDer<'_>]>) -> Result<Subject, StreamError> {
    let first = shown.and_then(<[_]>::first).ok_or(StreamError::NoCertificate)?;
    Ok(Subject::of(first)?)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn unusable(dir: &Path) -> impl FnOnce(tokio_rustls::rustls::Error) -> StreamError {
    let path = dir.to_owned();
    move |source| StreamError::Unusable { path, source }
}
