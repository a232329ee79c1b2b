//! Tasks that go without a drain: their flows end at once, by RST and not by a time-out; datagrams go
//! to another task from the same client port.

use std::io::{self, ErrorKind};

use anyhow::{Error, Result, ensure};
use lb_testbed::{Session as _, Sessions, TcpSession, UdpSession, eventually, eventually_some};

use super::{
    super::bed::{Bed, PATIENCE},
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
    flows.ended.iter_mut().try_for_each(is_reset)?;
    flows.moved.iter_mut().try_for_each(|flow| {
        let answer = flow.ask()?;
        ensure!(answer.task_name() != "web.1", "{answer:?}");
        Ok(())
    })?;
    expect_none(&flows.held.ping_all())
}

/// Its legs go with the namespace's name, and no process inside can say goodbye. The cluster file names
/// the task still.
#[test]
fn flows_of_a_task_whose_namespace_is_gone_are_refused() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    let mut flows = Flows::open(&bed, "web.1")?;
    bed.cluster.remove_ns(bed.task("web.1"))?;
    flows.ended.iter_mut().try_for_each(is_reset)?;
    for flow in &mut flows.moved {
        let what = format!("the refusal of {} -> {}", flow.local(), flow.to());
        eventually(PATIENCE, &what, || {
            flow.ask().is_err_and(|error| kind(&error) == Some(ErrorKind::ConnectionRefused))
        })?;
    }
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

/// Insists that a flow ends, and how. What is sent before all nodes have noticed is
/// answered, or lost and comes again.
fn is_reset(flow: &mut TcpSession) -> Result<()> {
    let what = format!("the end of {} -> {}", flow.local(), flow.to());
    let error = eventually_some(PATIENCE, &what, || match flow.ask() {
        Ok(_) => None,
        Err(error) if kind(&error) == Some(ErrorKind::WouldBlock) => None,
        Err(error) => Some(error),
    })?;
    let reset = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    ensure!(kind(&error).is_some_and(|kind| reset.contains(&kind)), "{what}: {error:#}");
    Ok(())
}

fn kind(error: &Error) -> Option<ErrorKind> {
    error.downcast_ref::<io::Error>().map(io::Error::kind)
}
