//! Why the agent cannot go on; everything else is a problem that it reports and tries again.
use std::{io, path::Path};

use super::{ClusterFile, LockError, RecordError};
use crate::{
    compile::CompileError,
    dataplane::{ApplyError, AttachError, LoadError, MapsError},
    host::{
        HostError,
        preflight::{self, Problem},
    },
    model::DesiredState,
    names::NamesError,
    observe::ObserveError,
    source::file::ConfigErrors,
};

/// Why the agent ended or a state was not applied.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The cluster file is invalid.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The cluster is too large.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The cluster file does not name this node.
    #[error("{file}: no node {node:?}; the file names {known}: correct --node or the file")]
    UnknownNode {
        /// The cluster file.
        file: String,
        /// The node that was asked for.
        node: String,
        /// The nodes it names.
        known: String,
    },
    /// What the engine told does not name this node.
    #[error("the Docker Engine's own node {0:?} is not among the nodes of its Swarm")]
    Homeless(String),
    /// Another agent runs.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The state directory.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The data plane could not be opened.
    #[error("{source}{}", causes(problems))]
    Load {
        /// What was refused.
        source: Box<LoadError>,
        /// What this machine lacks, which may be the cause.
        problems: Vec<Problem>,
    },
    /// A program could not be attached.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The node could not be asked or changed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The maps could not be read or written.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// The maps could not be brought to what is wanted.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// What is pinned could not be read.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The node's interfaces cannot carry the data plane.
    #[error("node {node}: {}", listed(problems))]
    Unfit {
        /// The node.
        node: String,
        /// At least one problem, each with its fix.
        problems: Vec<Problem>,
    },
    /// Names cannot be answered.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// Signals cannot be caught, or nothing can be printed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl AgentError {
    /// Whether the cluster file is at fault: exit status 2.
    #[must_use]
    pub const fn is_config(&self) -> bool {
        matches!(self, Self::Config(_) | Self::Compile(_) | Self::UnknownNode { .. })
    }

    /// The file does not name this node.
    pub(super) fn unknown_node(file: &ClusterFile, desired: &DesiredState) -> Self {
        let known: Vec<_> = desired.nodes.iter().map(|node| node.name.as_str()).collect();
        Self::UnknownNode {
            file: file.path.display().to_string(),
            node: file.node.clone(),
            known: known.join(", "),
        }
    }

    /// The data plane could not be opened; asks the machine why that may be.
    pub(super) fn load(error: LoadError, pin_root: &Path) -> Self {
        Self::Load { source: Box::new(error), problems: preflight::system(pin_root) }
    }

    /// Names the action that failed.
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; also, ")
}

fn causes(problems: &[Problem]) -> String {
    if problems.is_empty() {
        String::new()
    } else {
        format!(" (perhaps because {})", listed(problems))
    }
}
