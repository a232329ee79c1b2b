//! Ids that a namespace has for others: BPF names a task's namespace by the node's id for it.

use std::{os::fd::AsFd as _, os::fd::AsRawFd as _, pin::pin};

use futures::TryStreamExt as _;
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};
use netlink_packet_route::{
    RouteNetlinkMessage,
    nsid::{NsidAttribute, NsidMessage},
};
use nix::errno::Errno;

use super::{Netlink, is_errno};
use crate::host::{HostError, Result, netns::Namespace};

/// Asks the kernel to choose an id (`NETNSA_NSID_NOT_ASSIGNED`).
const ANY_ID: i32 = -1;

impl Netlink {
    /// This namespace's id for another one, assigned now if there was none. It stays until the
    /// other namespace goes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn ensure_netns_id(&self, namespace: &Namespace) -> Result<i32> {
        if let Some(id) = self.netns_id(namespace).await? {
            return Ok(id);
        }
        let action = || format!("assign an id to namespace {}", namespace.path().display());
        match self.assign(namespace).await {
            Err(error) if !is_errno(&error, Errno::EEXIST) => {
                Err(HostError::netlink(action())(error))
            }
            _ => self
                .netns_id(namespace)
                .await?
                .ok_or_else(|| HostError::netlink(action())(rtnetlink::Error::RequestFailed)),
        }
    }

    /// This namespace's id for another one, if it has one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn netns_id(&self, namespace: &Namespace) -> Result<Option<i32>> {
        let action = || format!("look up the id of namespace {}", namespace.path().display());
        let question = RouteNetlinkMessage::GetNsId(about(namespace, None));
        let asked = self.request(question, NLM_F_REQUEST).map_err(HostError::netlink(action()))?;
        match pin!(asked).try_next().await.map_err(HostError::netlink(action()))? {
            Some(RouteNetlinkMessage::NewNsId(answer)) => Ok(id_of(&answer)),
            _ => Ok(None),
        }
    }

    async fn assign(&self, namespace: &Namespace) -> std::result::Result<(), rtnetlink::Error> {
        let order = RouteNetlinkMessage::NewNsId(about(namespace, Some(ANY_ID)));
        let mut answers = pin!(self.request(order, NLM_F_REQUEST | NLM_F_ACK)?);
        while answers.try_next().await?.is_some() {}
        Ok(())
    }
}

fn about(namespace: &Namespace, id: Option<i32>) -> NsidMessage {
    let mut message = NsidMessage::default();
    message.attributes.extend(id.map(NsidAttribute::Id));
    message.attributes.push(NsidAttribute::Fd(namespace.as_fd().as_raw_fd().cast_unsigned()));
    message
}

fn id_of(answer: &NsidMessage) -> Option<i32> {
    answer.attributes.iter().find_map(|attribute| match attribute {
        NsidAttribute::Id(id) if *id >= 0 => Some(*id),
        _ => None,
    })
}
