//! What can go wrong between the agent and its Docker Engine, told with what to do about it.

use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

/// Why the engine tells nothing, or nothing that can be used.
#[derive(Debug, Error)]
pub enum DockerError {
    /// Not a socket on this machine.
    #[error("docker host {host} is no unix:///PATH: swarmlb asks the engine of its own node")]
    NotLocal {
        /// What was given.
        host: String,
    },
    /// No socket there.
    #[error(
        "no Docker Engine at {}: start it (systemctl start docker) or name its socket by --docker-host unix:///PATH",
        path.display()
    )]
    NoSocket {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The socket is not for this user.
    #[error("may not open {}: run the agent as root", path.display())]
    NotAllowed {
        /// The socket.
        path: PathBuf,
    },
    /// The socket is there, the engine behind it is not.
    #[error("the Docker Engine behind {} does not answer: {reason}", path.display())]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// What the system or the client said.
        reason: String,
    },
    /// An answer takes too long.
    #[error("the Docker Engine has not answered {what} within {} s", limit.as_secs())]
    TimedOut {
        /// What was asked.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The node is in no Swarm.
    #[error(
        "this node is in no Swarm: run docker swarm init, or docker swarm join with the token of one; the agent waits for it"
    )]
    NoSwarm,
    /// The manager's store is encrypted and locked.
    #[error("this Swarm manager is locked: run docker swarm unlock; the agent waits for it")]
    Locked,
    /// The node is in a Swarm, and not yet or no longer part of it.
    #[error("this node is {state} in its Swarm{reason}: the agent waits until it is active")]
    NotActive {
        /// `pending` or `error`.
        state: String,
        /// What the engine gives as reason, with a colon before it.
        reason: String,
    },
    /// Only a manager answers this.
    #[error("this node is no Swarm manager (any more)")]
    NotManager,
    /// There is no such thing.
    #[error("the Docker Engine knows nothing under {what}")]
    NotFound {
        /// What was asked.
        what: String,
    },
    /// The engine refuses.
    #[error("the Docker Engine refuses {what} ({status}): {message}")]
    Refused {
        /// What was asked.
        what: String,
        /// HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// An answer in no known form.
    #[error("cannot read the Docker Engine's answer to {what}: {reason}")]
    Unreadable {
        /// What was asked.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The node's Swarm certificate cannot be used.
    #[error(
        "cannot read the node's Swarm certificate {}: {reason}; name the engine's data-root if it is another one",
        path.display()
    )]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The facts kept for the next start cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Kept {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DockerError {
    /// Whether the engine itself is away, so that nothing else need be asked now.
    #[must_use]
    pub const fn is_engine_away(&self) -> bool {
        matches!(
            self,
            Self::NoSocket { .. }
                | Self::NotAllowed { .. }
                | Self::NoAnswer { .. }
                | Self::TimedOut { .. }
        )
    }

    /// Whether the thing asked for does not exist.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}
