//! Traffic that must not notice a thing: a long transfer, many short connections, and requests on
//! connections that are kept, each from a task of its own to a virtual IP.

use anyhow::{Result, ensure};
use lb_testbed::{Bulk, Direction, Load, RunningLoad, eventually};

use super::super::bed::{Bed, NET, PATIENCE, Service};

/// The service that is asked and its clients: `app.1` transfers, `app.2` connects, `app.3` keeps.
pub(super) const SERVICES: [Service; 2] =
    [("web", &["n1", "n2", "n3"]), ("app", &["n3", "n1", "n2"])];
/// Speed of the transfer until all is done, so that it outlasts any restart.
const RATE: &str = "20mbit";
/// Its length: what it moves meanwhile is a fraction.
const LEN_BYTES: u64 = 300_000_000;
/// New connections, and requests on kept ones, per second.
const PER_S: f64 = 200.0;
/// Answers to wait for while something is as it is.
const MEANWHILE: u64 = 200;

/// The traffic.
#[derive(Debug)]
pub(super) struct Traffic {
    bulk: Bulk,
    fresh: RunningLoad,
    kept: RunningLoad,
}

impl Traffic {
    /// Starts it, and waits until all of it flows.
    pub(super) fn start(bed: &Bed) -> Result<Self> {
        let to = bed.vip("web");
        tc(bed, &format!("add dev ov-{NET} root tbf rate {RATE} burst 128kb latency 100ms"))?;
        let bulk = Bulk::start(bed.task("app.1"), to, Direction::Upload, LEN_BYTES)?;
        let load = |task| Load::new(bed.task(task), [to]).per_second(PER_S).concurrency(8);
        let (fresh, kept) = (load("app.2").start()?, load("app.3").keep_alive().start()?);
        let traffic = Self { bulk, fresh, kept };
        traffic.go_on()?;
        Ok(traffic)
    }

    /// Waits for more of all of it.
    pub(super) fn go_on(&self) -> Result<()> {
        self.fresh.wait_more_ok(MEANWHILE, PATIENCE)?;
        self.kept.wait_more_ok(MEANWHILE, PATIENCE)?;
        let moved = self.bulk.moved_bytes();
        eventually(PATIENCE, "more of the transfer", || self.bulk.moved_bytes() > moved)?;
        ensure!(self.bulk.is_running(), "the transfer ended early");
        Ok(())
    }

    /// Ends it and insists that nothing failed.
    pub(super) fn expect_clean(self, bed: &Bed) -> Result<()> {
        self.fresh.stop()?.expect_clean()?;
        self.kept.stop()?.expect_clean()?;
        tc(bed, &format!("del dev ov-{NET} root"))?;
        self.bulk.finish().map(drop)
    }
}

fn tc(bed: &Bed, what: &str) -> Result<()> {
    bed.cluster.sh_in(bed.task("app.1"), &format!("tc qdisc {what}")).map(drop)
}
