//! The last word of an agent that is being detached, said by `swarmlb detach` when the agent has
//! stopped and before its programs go: the managers' agents hear that this node has none any more, and
//! where this node is a manager, those that call it hear it, too. Nobody then sends frames of the mesh
//! to a node that does not understand them.
use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Manager, StreamError,
    admission::Admission,
    call::Connection,
    complaints::Complaints,
    credentials::Credentials,
    frame::{AgentFrame, Greet as _, ManagerFrame, encode},
    memo::Memo,
    server::{Desk, Edition, serve_at},
};

/// How long a manager waits for those that have not heard its goodbye, and how long one to a manager may
/// take: longer than any agent pauses between two attempts to connect.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long those who have heard may take to change over; none of them says when it has.
const FOLLOW: Duration = Duration::from_secs(1);

/// Says goodbye to whom the agent with this state directory was connected, within seconds. Returns
/// who could not be told; they find out when [`crate::source::docker::AGENT_LEASE`] has passed.
///
/// # Errors
/// What the agent left is out of reach or makes no sense. Nothing of it is no error.
pub async fn farewell(state_dir: &Path) -> Result<Vec<String>, StreamError> {
    let Some(memo) = Memo::load(state_dir)? else { return Ok(Vec::new()) };
    let complaints = Complaints::default();
    let credentials = Arc::new(Credentials::new(memo.certificates.clone(), complaints.clone()));
    let (untold, ()) = tokio::join!(
        tell_managers(&memo, &credentials),
        tell_callers(&memo, &credentials, &complaints, encode(&ManagerFrame::Goodbye)?)
    );
    Ok(untold)
}

/// Tells those that call this node while it is a manager.
async fn tell_callers(
    memo: &Memo,
    credentials: &Arc<Credentials>,
    complaints: &Complaints,
    frame: Bytes,
) {
    let alive = memo.present.iter().filter(|(_, agent)| !agent.is_silent);
    let known: BTreeSet<_> = alive.map(|(node, _)| node.clone()).collect();
    if memo.listen.is_none() || known.is_empty() {
        return;
    }
    let (ended, mut told) = watch::channel(BTreeSet::new());
    let edition = Arc::new(Edition { known: known.clone(), frame });
    // Kept to the end: a session without an edition to come would close first, which can take away
    // what it has just said.
    let (_editions, edition) = watch::channel(Some(edition));
    let desk = Arc::new(Desk {
        credentials: credentials.clone(),
        register: Arc::default(),
        edition,
        admission: Admission::default(),
        complaints: complaints.clone(),
        ended: Some(ended),
    });
    // Who hears a goodbye closes the connection.
    let all_told = async { told.wait_for(|told| *told == known).await.is_ok() };
    tokio::select! {
        () = serve_at(&desk, memo.listen, memo.port) => {}
        _ = timeout(PATIENCE, all_told) => {}
    }
}

async fn tell_managers(memo: &Memo, credentials: &Arc<Credentials>) -> Vec<String> {
    let others = memo.managers.iter().filter(|manager| Some(manager.address) != memo.listen);
    let mut goodbyes = JoinSet::new();
    for manager in others.cloned() {
        let (credentials, port) = (credentials.clone(), memo.port);
        goodbyes.spawn(async move {
            let said = timeout(PATIENCE, goodbye(&manager, port, &credentials)).await;
            let late = || "no answer in time".to_owned();
            let said = said.map_err(|_| late()).and_then(|said| said.map_err(|e| e.to_string()));
            said.map_err(|error| format!("agent of manager {}:{port}: {error}", manager.address))
        });
    }
    let said = goodbyes.join_all().await;
    if said.iter().any(Result::is_ok) {
        sleep(FOLLOW).await;
    }
    said.into_iter().filter_map(Result::err).collect()
}

/// Ends when the other side has heard it, which then closes the connection.
async fn goodbye(
    manager: &Manager,
    port: u16,
    credentials: &Credentials,
) -> Result<(), StreamError> {
    let mut connection = Connection::to(manager, port, credentials).await?;
    connection.writer.send(&AgentFrame::greeting()).await?;
    connection.writer.send(&AgentFrame::Goodbye).await?;
    loop {
        match connection.reader.next::<ManagerFrame>().await {
            Ok(ManagerFrame::Refused { reason }) => return Err(StreamError::Refused(reason)),
            Ok(_) => {}
            Err(StreamError::Ended) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
