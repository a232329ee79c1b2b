//! Virtual IPs and overlay networks through changes: tasks that come, drain, move and go, agents that
//! die, maps that lose what they held, networks that are removed.

mod agents;
mod drain;
mod evict;
mod gone;
mod moved;
mod remains;
mod repair;
mod scale;
mod schedulers;
mod traffic;
mod transfer;

use anyhow::{Result, ensure};

/// Three tasks of `web` on two nodes, a client on the third and one beside a task.
const SERVICES: [super::bed::Service; 2] = [("web", &["n1", "n2", "n2"]), ("app", &["n3", "n1"])];
/// The nodes.
const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// Insists that no flow broke.
fn expect_none(broken: &[String]) -> Result<()> {
    ensure!(broken.is_empty(), "{} flows broke:\n{}", broken.len(), broken.join("\n"));
    Ok(())
}
