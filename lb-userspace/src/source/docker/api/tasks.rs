//! `GET /tasks`, asked by hand: the description of Docker's API, from which bollard's models are
//! made, leaves out `NetworksAttachments`, and that is where a task's addresses stand. Reading only
//! what is needed also costs a fraction of reading whole container specs several times a second.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Response, Uri, body::Incoming};
use hyper_util::client::legacy::Client;
use hyperlocal::{UnixClientExt as _, UnixConnector};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

use super::{
    Result,
    failure::{from_connection, from_status, unreadable},
};

const WHAT: &str = "GET /tasks";

/// A task as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::source::docker) struct TaskDocument {
    /// Its id.
    #[serde(rename = "ID")]
    pub(in crate::source::docker) id: String,
    /// Id of its service.
    #[serde(rename = "ServiceID", default)]
    pub(in crate::source::docker) service: String,
    /// Id of its node; empty before it is assigned.
    #[serde(rename = "NodeID", default)]
    pub(in crate::source::docker) node: String,
    /// Its slot; none in a global service.
    #[serde(default)]
    pub(in crate::source::docker) slot: u64,
    /// Where it is in its life.
    #[serde(default)]
    pub(in crate::source::docker) status: TaskStatus,
    /// Where the managers want it to be.
    #[serde(default)]
    pub(in crate::source::docker) desired_state: String,
    /// Its networks; null where it has none.
    #[serde(default)]
    pub(in crate::source::docker) networks_attachments: Option<Vec<Attachment>>,
}

/// Where a task is in its life.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::source::docker) struct TaskStatus {
    /// `running`, for instance.
    #[serde(default)]
    pub(in crate::source::docker) state: String,
}

/// A task's place in a network.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::source::docker) struct Attachment {
    /// The network.
    pub(in crate::source::docker) network: AttachedNetwork,
    /// Its addresses there with the prefix length, as `10.0.0.7/24`.
    #[serde(default)]
    pub(in crate::source::docker) addresses: Option<Vec<String>>,
}

/// A network that a task is in.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::source::docker) struct AttachedNetwork {
    /// Its id.
    #[serde(rename = "ID")]
    pub(in crate::source::docker) id: String,
}

/// Which tasks are asked for.
#[derive(Clone, Copy, Debug)]
pub(in crate::source::docker) enum TaskFilter<'a> {
    /// All, dead ones included, of which the managers keep five a slot unless told otherwise.
    All,
    /// Those that are to run.
    ToRun,
    /// These.
    Ids(&'a [String]),
}

/// The engine's socket, for tasks.
#[derive(Clone, Debug)]
pub(super) struct TaskClient {
    client: Client<UnixConnector, Empty<Bytes>>,
    socket: PathBuf,
    base: String,
}

impl TaskClient {
    /// For the engine at `socket` that speaks this version of the API.
    pub(super) fn new(socket: &Path, major: usize, minor: usize) -> Self {
        let base = format!("/v{major}.{minor}/tasks");
        Self { client: Client::unix(), socket: socket.into(), base }
    }

    /// The tasks that `filter` lets through.
    pub(super) async fn list(&self, filter: &TaskFilter<'_>) -> Result<Vec<TaskDocument>> {
        let path = format!("{}{}", self.base, query(filter));
        let answered = self.client.get(Uri::from(hyperlocal::Uri::new(&self.socket, &path))).await;
        let answer = answered.map_err(|error| from_connection(&self.socket, &error))?;
        let status = answer.status();
        let body = self.body(answer).await?;
        if !status.is_success() {
            return Err(from_status(WHAT, status.as_u16(), message(&body)));
        }
        parse(&body)
    }

    async fn body(&self, answer: Response<Incoming>) -> Result<Bytes> {
        let body = answer.into_body().collect().await;
        let body = body.map_err(|error| from_connection(&self.socket, &error))?;
        Ok(body.to_bytes())
    }
}

/// Reads the engine's list of tasks.
pub(in crate::source::docker) fn parse(body: &[u8]) -> Result<Vec<TaskDocument>> {
    serde_json::from_slice(body).map_err(|error| unreadable(WHAT, error.to_string()))
}

fn query(filter: &TaskFilter<'_>) -> String {
    let filters = match filter {
        TaskFilter::All => return String::new(),
        TaskFilter::ToRun => json!({ "desired-state": ["running"] }),
        TaskFilter::Ids(ids) => json!({ "id": ids }),
    };
    format!("?filters={}", utf8_percent_encode(&filters.to_string(), NON_ALPHANUMERIC))
}

/// What the engine says about a refusal, or the answer as it stands.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let whole = |_| String::from_utf8_lossy(body).into_owned();
    serde_json::from_slice(body).map_or_else(whole, |refusal: Refusal| refusal.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_query() {
        assert_eq!(query(&TaskFilter::All), "");
        let running = "?filters=%7B%22desired%2Dstate%22%3A%5B%22running%22%5D%7D";
        assert_eq!(query(&TaskFilter::ToRun), running);
        let ids = ["ab1".to_owned(), "cd2".to_owned()];
        let these = "?filters=%7B%22id%22%3A%5B%22ab1%22%2C%22cd2%22%5D%7D";
        assert_eq!(query(&TaskFilter::Ids(&ids)), these);
    }

    #[test]
    fn a_refusal_is_told_in_the_engines_words() {
        assert_eq!(message(br#"{"message":"no"}"#), "no");
        assert_eq!(message(b"plain"), "plain");
    }

    #[test]
    fn a_list_that_is_none_is_refused() {
        let refused = parse(b"{}").map(|tasks| tasks.len());
        assert!(refused.is_err_and(|error| error.to_string().contains("GET /tasks")));
    }
}
