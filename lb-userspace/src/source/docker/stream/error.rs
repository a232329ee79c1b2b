//! What goes wrong in the stream, in words for `status` and the log. Never with key material.
use std::{io, path::PathBuf, time::Duration};

use super::subject::SubjectError;

/// Why there is no stream, or none with one peer.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The stream's own thread.
    #[error("cannot start the thread of the stream between agents: {0}")]
    Thread(io::Error),
    /// A file of the node's certificate, or the stream's own file.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the node's certificate has something else in it.
    #[error("{} is no {wanted}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// `docker swarm update --autolock=true`.
    #[error(
        "{} is locked by the Swarm's autolock, so agents of other nodes cannot be spoken with; this \
         node goes by its own engine and the gossip", path.display()
    )]
    Locked {
        /// The key file.
        path: PathBuf,
    },
    /// The certificate, the key and the root certificates do not go together, as for a moment while
    /// the engine renews them.
    #[error("the node's certificate in {} cannot be used: {source}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What TLS said.
        source: tokio_rustls::rustls::Error,
    },
    /// The root certificates give no verifier.
    #[error("the Swarm's root certificates in {} cannot be used: {reason}", path.display())]
    Roots {
        /// The directory.
        path: PathBuf,
        /// What TLS said.
        reason: String,
    },
    /// Connecting, sending or receiving.
    #[error("cannot {action}: {source}")]
    Network {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody accepts a connection.
    #[error("cannot connect: {0}; is an agent running there, and the port open between the nodes?")]
    Unreachable(io::Error),
    /// No answer in time.
    #[error("no {awaited} within {} s", patience.as_secs())]
    Silence {
        /// What was waited for.
        awaited: &'static str,
        /// How long.
        patience: Duration,
    },
    /// The peer closed the connection.
    #[error("the other side ended the connection")]
    Ended,
    /// A frame makes no sense.
    #[error("the other side sent a frame that is none of the protocol: {0}")]
    Frame(serde_json::Error),
    /// Not the first frame of a connection.
    #[error("the other side did not begin with a greeting")]
    NoGreeting,
    /// Another version of swarmlb.
    #[error(
        "the other side speaks version {theirs} of the protocol, this agent {ours}: upgrade the older one"
    )]
    Protocol {
        /// Its version.
        theirs: u32,
        /// The version here.
        ours: u32,
    },
    /// A manager's agent is being detached.
    #[error("its agent has left the node")]
    Left,
    /// This node has no certificate that works, which is told by itself.
    #[error("this node's own certificate cannot be used")]
    NoIdentity,
    /// The peer does not want us.
    #[error("refused: {0}")]
    Refused(String),
    /// The peer has no certificate.
    #[error("the other side showed no certificate")]
    NoCertificate,
    /// The peer's certificate is none of a Swarm node.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The peer's certificate is genuine, and still it is not let in.
    #[error("{0}")]
    Stranger(String),
}

impl StreamError {
    /// For `map_err` on files.
    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// For `map_err` on sockets.
    pub(super) fn network(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Network { action, source }
    }
}
