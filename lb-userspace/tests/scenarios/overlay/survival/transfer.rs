//! Large transfers by a virtual IP on one node; `vip` has those between nodes.

use anyhow::Result;
use lb_testbed::{Bulk, Direction};

use super::super::bed::Bed;

/// Length of each, bytes.
const LEN_BYTES: u64 = 100_000_000;

#[test]
fn transfers_both_ways_at_once_on_one_node_arrive_whole() -> Result<()> {
    let bed = Bed::new(&[("web", &["n2"]), ("app", &["n2"])])?;
    let start = |direction| Bulk::start(bed.task("app.1"), bed.vip("web"), direction, LEN_BYTES);
    let both = [start(Direction::Download)?, start(Direction::Upload)?];
    both.into_iter().try_for_each(|bulk| bulk.finish().map(drop))
}
