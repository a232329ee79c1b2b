//! Many flows at once to one address: who answers, and whether the tasks see the client itself.

use std::{
    collections::BTreeSet,
    net::SocketAddrV4,
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    netns::{Ns, in_ns},
    session::Session,
};

/// Opens that many flows, insists that each task saw the client's own address and port, and returns
/// the tasks that answered.
///
/// # Errors
/// A flow gets no answer, or was seen as another one.
pub fn meet<S: Session>(ns: &Ns, to: SocketAddrV4, flows: u16) -> Result<BTreeSet<String>> {
    open::<S>(ns, to, flows, |flow| {
        let end = flow.local();
        ensure!(flow.first().peer == Some(end), "{end} was seen as {:?}", flow.first());
        Ok(())
    })
}

/// As [`meet`] for clients whose address or port is translated on the way.
///
/// # Errors
/// A flow gets no answer.
pub fn meet_translated<S: Session>(
    ns: &Ns,
    to: SocketAddrV4,
    flows: u16,
) -> Result<BTreeSet<String>> {
    open::<S>(ns, to, flows, |_| Ok(()))
}

fn open<S: Session>(
    ns: &Ns,
    to: SocketAddrV4,
    flows: u16,
    check: impl Fn(&S) -> Result<()> + Sync,
) -> Result<BTreeSet<String>> {
    let one = |_| {
        let flow = S::open_here(to, next_port())?;
        check(&flow)?;
        Ok(flow.first().task_name().to_owned())
    };
    in_ns(ns, || (0..flows).map(one).collect::<Result<_>>())?
        .with_context(|| format!("{} -> {to}", ns.name()))
}

/// A client port of its own for each flow: one that dialled another address before may be seen as
/// another one. Those from 20000 on are for tests that choose their own.
fn next_port() -> u16 {
    static USED: AtomicU16 = AtomicU16::new(0);
    10_000 + USED.fetch_add(1, Ordering::Relaxed) % 10_000
}
