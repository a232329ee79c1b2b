//! The client's failures in this project's words.

use std::{error::Error as StdError, io, path::Path};

use bollard::errors::Error;

use crate::source::docker::error::DockerError;

/// What bollard's error to a question means.
pub(super) fn from_bollard(what: &str, socket: &Path, error: Error) -> DockerError {
    match error {
        Error::SocketNotFoundError(_) => DockerError::NoSocket { path: socket.into() },
        Error::DockerResponseServerError { status_code, message } => {
            from_status(what, status_code, message)
        }
        Error::JsonDataError { message, .. } => unreadable(what, message),
        Error::JsonSerdeError { err } => unreadable(what, err.to_string()),
        error => from_connection(socket, &error),
    }
}

/// What an HTTP status that is no success means. The engine gives 503 for whatever a node's role or
/// state in its Swarm forbids and tells these apart by words only (moby, daemon/cluster/errors.go).
pub(super) fn from_status(what: &str, status: u16, message: String) -> DockerError {
    match status {
        404 => DockerError::NotFound { what: what.into() },
        503 if message.contains("needs to be unlocked") => DockerError::Locked,
        503 if message.contains("not a swarm manager") => DockerError::NotManager,
        _ => DockerError::Refused { what: what.into(), status, message },
    }
}

/// What a connection that failed means.
pub(super) fn from_connection(socket: &Path, error: &(dyn StdError + 'static)) -> DockerError {
    let path = socket.to_owned();
    let cause = cause(error);
    match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::NotFound) => DockerError::NoSocket { path },
        Some(io::ErrorKind::PermissionDenied) => DockerError::NotAllowed { path },
        _ => DockerError::NoAnswer { path, reason: cause.to_string() },
    }
}

/// An answer in no known form.
pub(super) fn unreadable(what: &str, reason: String) -> DockerError {
    DockerError::Unreadable { what: what.into(), reason }
}

/// The first cause: what lies above it tells only that something failed.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> DockerError {
        from_status("GET /services", 503, message.into())
    }

    #[test]
    fn words_tell_a_worker_from_a_locked_manager() {
        let worker = "This node is not a swarm manager. Worker nodes can't be used to view or \
                      modify cluster state.";
        assert!(matches!(told(worker), DockerError::NotManager));
        let locked = "Swarm is encrypted and needs to be unlocked before it can be used.";
        assert!(matches!(told(locked), DockerError::Locked));
        let leaderless = "rpc error: code = Unknown desc = The swarm does not have a leader.";
        assert!(matches!(told(leaderless), DockerError::Refused { status: 503, .. }));
    }

    #[derive(Debug, thiserror::Error)]
    #[error("client error")]
    struct Above(#[source] io::Error);

    fn meant(kind: io::ErrorKind) -> DockerError {
        from_connection(Path::new("/run/docker.sock"), &Above(kind.into()))
    }

    #[test]
    fn the_systems_error_is_found_below_others() {
        assert!(matches!(meant(io::ErrorKind::NotFound), DockerError::NoSocket { .. }));
        assert!(matches!(meant(io::ErrorKind::PermissionDenied), DockerError::NotAllowed { .. }));
        let refused = meant(io::ErrorKind::ConnectionRefused).to_string();
        assert!(refused.ends_with("does not answer: connection refused"), "{refused}");
    }
}
