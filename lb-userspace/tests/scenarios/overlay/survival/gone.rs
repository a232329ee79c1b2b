//! Tasks that go without a drain: their flows end at once, by RST and not by a time-out; datagrams go
//! to another task from the same client port.

use std::io::{self, ErrorKind};

use anyhow::{Context as _, Error, Result, ensure};
use lb_testbed::{Session as _, Sessions, TcpSession, UdpSession};

use super::{
    super::bed::{Bed, NET},
    SERVICES, expect_none,
};

/// On a third node, beside the task, and a task of the same service.
const CLIENTS: [&str; 3] = ["app.1", "app.2", "web.2"];

#[test]
fn flows_of_a_removed_task_are_reset_and_its_datagrams_go_elsewhere_at_once() -> Result<()> {
    let mut bed = Bed::new(&SERVICES)?;
    let mut flows = Flows::open(&bed, "web.1")?;
    bed.file.service_mut("web").tasks.retain(|task| task.name != "web.1");
    bed.apply()?;
    flows.ended.iter_mut().try_for_each(|flow| is_reset(flow.ask().err()))?;
    flows.moved.iter_mut().try_for_each(|flow| {
        let answer = flow.ask()?;
        ensure!(answer.task_name() != "web.1", "{answer:?}");
        Ok(())
    })?;
    expect_none(&flows.held.ping_all())
}

/// As when a machine kills a container: no process of it says goodbye, its interfaces are gone. The
/// cluster file names it still.
#[test]
fn flows_of_a_task_whose_namespace_is_gone_are_reset() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    let mut flows = Flows::open(&bed, "web.1")?;
    let ns = bed.task("web.1");
    bed.cluster.sh_in(ns, &format!("ip link set ov-{NET} down"))?;
    bed.server("web.1").kill()?;
    bed.cluster.remove_ns(ns)?;
    // What is sent before the node has noticed is lost, and comes again.
    flows.ended.iter_mut().try_for_each(|flow| is_reset(flow.ask().err()))?;
    expect_none(&flows.held.ping_all())
}

/// Flows of some clients, of which those of one task will end.
struct Flows {
    ended: Vec<TcpSession>,
    moved: Vec<UdpSession>,
    held: Sessions<TcpSession>,
}

impl Flows {
    fn open(bed: &Bed, task: &str) -> Result<Self> {
        let mut flows = Self { ended: Vec::new(), moved: Vec::new(), held: Sessions(Vec::new()) };
        for client in CLIENTS {
            let (ns, to) = (bed.task(client), [bed.vip("web")]);
            let mut tcp = Sessions::<TcpSession>::open(ns, &to, 20)?;
            flows.ended.extend(tcp.take_task(task).0);
            flows.held.0.extend(tcp.0);
            flows.moved.extend(Sessions::<UdpSession>::open(ns, &to, 20)?.take_task(task).0);
        }
        ensure!(!flows.ended.is_empty() && !flows.moved.is_empty(), "nobody at {task}");
        Ok(flows)
    }
}

/// Insists that a flow ended, and how.
fn is_reset(error: Option<Error>) -> Result<()> {
    let error = error.context("a flow of the task goes on")?;
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    let reset = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    ensure!(kind.is_some_and(|kind| reset.contains(&kind)), "{error:#}");
    Ok(())
}
