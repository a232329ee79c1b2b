//! Flows whose entries are lost or spoilt: while the tasks are the same, the rows still say whose they
//! are.

use anyhow::{Result, ensure};
use lb_testbed::{Session, Sessions, TcpSession, UdpSession};

use super::{super::bed::Bed, NODES, SERVICES, expect_none};
use crate::maps::{Element, delete, elements, put};

/// On a third node, beside a task, and a task itself.
const CLIENTS: [&str; 3] = ["app.1", "app.2", "web.2"];

#[test]
fn flows_to_a_virtual_ip_survive_the_eviction_of_all_their_entries() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    let mut tcp = open::<TcpSession>(&bed)?;
    let mut udp = open::<UdpSession>(&bed)?;
    let evicted = each(&bed, |node, entries| delete(&bed.cluster, node, "VIPFLOWS", entries))?;
    ensure!(evicted >= 120, "only {evicted} entries");
    expect_none(&tcp.ping_all())?;
    expect_none(&udp.ping_all())
}

#[test]
fn flows_to_a_virtual_ip_survive_entries_that_say_nonsense() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    let mut sessions = open::<TcpSession>(&bed)?;
    each(&bed, |node, entries| {
        let spoilt: Vec<_> = entries
            .iter()
            .map(|entry| Element { key: entry.key.clone(), value: vec![7; entry.value.len()] })
            .collect();
        put(&bed.cluster, node, "VIPFLOWS", &spoilt)
    })?;
    expect_none(&sessions.ping_all())
}

fn open<S: Session>(bed: &Bed) -> Result<Sessions<S>> {
    let open = |task: &str| Sessions::open(bed.task(task), &[bed.vip("web")], 20);
    let all = CLIENTS.into_iter().map(open).collect::<Result<Vec<Sessions<S>>>>()?;
    Ok(Sessions(all.into_iter().flat_map(|sessions| sessions.0).collect()))
}

/// Does something to the entries of each node and returns how many there were.
fn each(bed: &Bed, act: impl Fn(&str, &[Element]) -> Result<()>) -> Result<usize> {
    let mut count = 0;
    for node in NODES {
        let entries = elements(&bed.cluster, node, "VIPFLOWS")?;
        act(node, &entries)?;
        count += entries.len();
    }
    Ok(count)
}
