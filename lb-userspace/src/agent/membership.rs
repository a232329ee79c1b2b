//! Who says what the cluster is: a cluster file, read when it changed, or a Docker Engine, whose source
//! sends a reading whenever something is other than before. Both give the same to the agent.
use tokio::sync::watch;

use super::{AgentError, ClusterFile, Source, changes::ConfigFile};
use crate::{
    model::DesiredState,
    source::{
        Warning,
        docker::{self, Origin, Readings},
        file,
    },
};

/// Where membership comes from.
#[derive(Debug)]
pub(super) enum Membership {
    /// A cluster file.
    File(ClusterFile),
    /// A Docker Engine, which is told whether the data plane is in force.
    Docker(Readings, watch::Sender<bool>),
}

/// What the cluster should be, and what else is to be told.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// The cluster.
    pub(super) desired: DesiredState,
    /// Name of this node in it.
    pub(super) here: String,
    /// What is allowed and may surprise, and what is not served.
    pub(super) warnings: Vec<Warning>,
    /// Where it comes from, beside Docker.
    pub(super) origin: Option<Origin>,
}

/// What wakes the agent when there is something new to read.
#[derive(Debug)]
pub(super) enum Watched {
    /// The file; to be asked a few times a second.
    File(ConfigFile),
    /// The channel.
    Docker(Readings),
}

impl Membership {
    /// Starts a source; `forwards`: whether an agent before this one has left a data plane in force.
    /// Needs a tokio runtime.
    pub(super) fn open(source: &Source, forwards: bool) -> Self {
        match source {
            Source::File(file) => Self::File(file.clone()),
            Source::Docker(options) => {
                let (sender, receiver) = watch::channel(forwards);
                Self::Docker(docker::start(options.clone(), receiver), sender)
            }
        }
    }

    /// Tells that the data plane is in force: from now on other nodes may rely on it.
    pub(super) fn forwards(&self) {
        if let Self::Docker(_, forwards) = self {
            forwards.send_if_modified(|before| !std::mem::replace(before, true));
        }
    }

    /// What is to be watched for changes from now on.
    pub(super) fn watched(&self) -> Watched {
        match self {
            Self::File(file) => Watched::File(ConfigFile::new(&file.path)),
            Self::Docker(readings, _) => Watched::Docker(readings.clone()),
        }
    }

    /// The cluster as it should be now; `None` while an engine has said nothing yet.
    ///
    /// # Errors
    /// The file is invalid, or does not name this node.
    pub(super) fn read(&self) -> Result<Option<Reading>, AgentError> {
        match self {
            Self::File(file) => read_file(file).map(Some),
            Self::Docker(readings, _) => Ok(readings.borrow().as_deref().map(Reading::from)),
        }
    }

    /// Waits for an engine to say something; a file is there at once.
    pub(super) async fn first(&mut self) {
        if let Self::Docker(readings, _) = self {
            // Where the source has ended, nobody will say anything: the caller sees that for itself.
            drop(readings.wait_for(Option::is_some).await.map(drop));
        }
    }
}

impl Watched {
    /// Waits for a reading of an engine; for ever, where there is none.
    pub(super) async fn changed(&mut self) {
        let is_there = match self {
            Self::Docker(readings) => readings.changed().await.is_ok(),
            Self::File(_) => false,
        };
        if !is_there {
            std::future::pending().await
        }
    }

    /// Whether a file changed and has come to rest.
    pub(super) fn has_new_file(&mut self) -> bool {
        match self {
            Self::File(file) => file.changed(),
            Self::Docker(_) => false,
        }
    }

    /// What there is now is about to be read.
    pub(super) fn mark_read(&mut self) {
        match self {
            Self::File(file) => file.mark_read(),
            Self::Docker(readings) => readings.mark_unchanged(),
        }
    }
}

impl From<&docker::Reading> for Reading {
    fn from(reading: &docker::Reading) -> Self {
        let docker::Reading { desired, here, warnings, origin } = reading.clone();
        Self { desired, here, warnings, origin: Some(origin) }
    }
}

fn read_file(file: &ClusterFile) -> Result<Reading, AgentError> {
    let (desired, warnings) = file::load(&file.path)?;
    match desired.node(&file.node) {
        Some(_) => Ok(Reading { desired, here: file.node.clone(), warnings, origin: None }),
        None => Err(AgentError::unknown_node(file, &desired)),
    }
}
