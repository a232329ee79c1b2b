//! The few questions that are put to the node's own Docker Engine, by its socket. Documents come
//! back as bollard's models, tasks as our own (`tasks`); `documents` turns them into facts.
//!
//! `GET /swarm` is never asked: its answer holds the join tokens, which a log at level debug would
//! show. Its data-path port also stands in `GET /info` of a manager.

mod failure;
mod tasks;

use std::{
    future::Future,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    errors::Error,
    models::{ContainerSummary, EventMessage, Network, NetworkInspect, Node, Service, SystemInfo},
    query_parameters::{
        EventsOptionsBuilder, InspectContainerOptions, InspectNetworkOptionsBuilder,
        ListServicesOptions,
    },
};
use futures::{Stream, StreamExt as _};

use self::{failure::from_bollard, tasks::TaskClient};
use super::error::DockerError;

#[cfg(test)]
pub(super) use self::tasks::parse as parse_tasks;
pub(super) use self::tasks::{Attachment, TaskDocument, TaskFilter};

/// How long an answer is waited for, body included. A busy engine takes tens of milliseconds.
const LIMIT: Duration = Duration::from_secs(10);

type Result<T> = std::result::Result<T, DockerError>;

/// A Docker Engine that has answered once, so that the version of its API is known.
#[derive(Clone, Debug)]
pub(super) struct Api {
    docker: Docker,
    tasks: TaskClient,
    socket: PathBuf,
}

impl Api {
    /// Connects to `unix:///PATH` and agrees on a version of the API.
    pub(super) async fn connect(host: &str) -> Result<Self> {
        let Some(path) = host.strip_prefix("unix://").filter(|path| path.starts_with('/')) else {
            return Err(DockerError::NotLocal { host: host.into() });
        };
        let socket = PathBuf::from(path);
        let failed = |error| from_bollard("its version", &socket, error);
        let docker = Docker::connect_with_unix(path, LIMIT.as_secs(), API_DEFAULT_VERSION);
        let agreed = docker.map_err(failed)?.negotiate_version();
        let docker = within("its version", agreed).await?.map_err(failed)?;
        let version = docker.client_version();
        let tasks = TaskClient::new(&socket, version.major_version, version.minor_version);
        Ok(Self { docker, tasks, socket })
    }

    /// The engine, its place in a Swarm, and on a manager the Swarm itself. Dear: the engine runs
    /// a program or two for it.
    pub(super) async fn info(&self) -> Result<SystemInfo> {
        self.ask("GET /info", self.docker.info()).await
    }

    /// All services. Managers only.
    pub(super) async fn services(&self) -> Result<Vec<Service>> {
        let options = None::<ListServicesOptions>;
        self.ask("GET /services", self.docker.list_services(options)).await
    }

    /// All nodes. Managers only.
    pub(super) async fn nodes(&self) -> Result<Vec<Node>> {
        self.ask("GET /nodes", self.docker.list_nodes(None)).await
    }

    /// Tasks. Managers only.
    pub(super) async fn tasks(&self, filter: &TaskFilter<'_>) -> Result<Vec<TaskDocument>> {
        within("GET /tasks", self.tasks.list(filter)).await?
    }

    /// All networks that the engine knows: on a manager those of the whole Swarm.
    pub(super) async fn networks(&self) -> Result<Vec<Network>> {
        self.ask("GET /networks", self.docker.list_networks(None)).await
    }

    /// One network with its containers here; `None`: there is none. `verbose` adds what the gossip
    /// knows of its endpoints everywhere.
    pub(super) async fn network(
        &self,
        network: &str,
        verbose: bool,
    ) -> Result<Option<NetworkInspect>> {
        let what = format!("GET /networks/{network}");
        let options = InspectNetworkOptionsBuilder::default().verbose(verbose).build();
        match self.ask(&what, self.docker.inspect_network(network, Some(options))).await {
            Err(error) if error.is_not_found() => Ok(None),
            network => network.map(Some),
        }
    }

    /// Running containers.
    pub(super) async fn containers(&self) -> Result<Vec<ContainerSummary>> {
        self.ask("GET /containers/json", self.docker.list_containers(None)).await
    }

    /// Process id of a running container's first process, and the name of its sandbox's file in the
    /// engine's directory of namespaces; `None`: it does not run, or has none.
    pub(super) async fn first_process(&self, container: &str) -> Result<Option<(i32, String)>> {
        let what = format!("GET /containers/{container}/json");
        let options = None::<InspectContainerOptions>;
        let told = self.ask(&what, self.docker.inspect_container(container, options)).await?;
        let pid = told.state.and_then(|state| state.pid).and_then(|pid| i32::try_from(pid).ok());
        let sandbox = told.network_settings.and_then(|settings| settings.sandbox_key);
        let sandbox = sandbox.and_then(|path| Some(path.rsplit_once('/')?.1.to_owned()));
        Ok(pid.filter(|pid| *pid > 0).zip(sandbox))
    }

    /// What happens on the node and, on a manager, in the Swarm, from now on, however much later the
    /// stream is first polled.
    pub(super) fn events(&self) -> impl Stream<Item = Result<EventMessage>> + use<> {
        let socket = self.socket.clone();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
        let options = EventsOptionsBuilder::default().since(&since).build();
        let events = self.docker.events(Some(options));
        events.map(move |event| event.map_err(|error| from_bollard("GET /events", &socket, error)))
    }

    /// What it means that the events have come to an end.
    pub(super) fn gone(&self) -> DockerError {
        let reason = "it has closed the connection".into();
        DockerError::NoAnswer { path: self.socket.clone(), reason }
    }

    async fn ask<T>(
        &self,
        what: &str,
        asked: impl Future<Output = std::result::Result<T, Error>>,
    ) -> Result<T> {
        let answered = within(what, asked).await?;
        answered.map_err(|error| from_bollard(what, &self.socket, error))
    }
}

async fn within<T>(what: &str, asked: impl Future<Output = T>) -> Result<T> {
    let answered = tokio::time::timeout(LIMIT, asked).await;
    answered.map_err(|_| DockerError::TimedOut { what: what.into(), limit: LIMIT })
}
