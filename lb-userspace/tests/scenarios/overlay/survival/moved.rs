//! A task that moves between nodes and keeps its address, again and again: whoever asks that address
//! finds it, wherever it is.

use std::net::SocketAddrV4;

use anyhow::{Result, ensure};
use lb_testbed::{Load, Ns, Session as _, TcpSession, eventually};

use super::{
    super::bed::{Bed, NET, PATIENCE, PORT},
    NODES,
};

/// Moves in a row.
const MOVES: usize = 12;

#[test]
fn a_task_that_moves_many_times_keeps_its_address() -> Result<()> {
    let mut bed = Bed::new(&[("web", &["n1"]), ("app", &["n3", "n1", "n2"])])?;
    let seats = seats(&bed)?;
    let mut there = 0;
    for at in 1..=MOVES {
        there = at % seats.len();
        seat(&mut bed, &seats[there]);
        // Half of the moves are overtaken by the next one.
        match at % 2 {
            0 => bed.apply()?,
            _ => bed.cluster.write_config(&bed.file.to_string())?,
        }
        if at % 4 == 0 {
            expect_at(&bed, &seats[there])?;
        }
    }
    expect_at(&bed, &seats[there])?;
    let load = Load::new(bed.task("app.1"), [bed.at("web.1"), bed.vip("web")]).total(200);
    let report = load.run()?;
    report.expect_clean()?;
    ensure!(report.by_task.keys().eq([seats[there].0]), "{report}");
    // Nowhere else it has left anything.
    for (node, ns) in seats.iter().filter(|seat| seat.0 != seats[there].0) {
        let links = bed.cluster.sh_in(ns, "ip -oneline link")?;
        ensure!(!links.contains("ov-"), "{node}: {links}");
    }
    Ok(())
}

type Seat = (&'static str, Ns);

/// A namespace for the task on each node, the server in which is called as the node is.
fn seats(bed: &Bed) -> Result<Vec<Seat>> {
    let seat = |node: &'static str| {
        let ns = bed.cluster.task_ns(&format!("seat-{node}"))?;
        bed.cluster.start_whoami(node, &ns, &[PORT])?;
        Ok((node, ns))
    };
    NODES.into_iter().map(seat).collect()
}

fn seat(bed: &mut Bed, (node, ns): &Seat) {
    let task = bed.file.service_mut("web").task_mut("web.1");
    (task.node, task.netns) = ((*node).to_owned(), ns.name().to_owned());
}

/// Waits until clients on all nodes meet the task there, by its address and by the virtual IP.
fn expect_at(bed: &Bed, (node, ns): &Seat) -> Result<()> {
    for client in ["app.1", "app.2", "app.3"] {
        for to in [bed.at("web.1"), bed.vip("web")] {
            let meets = |to: SocketAddrV4| {
                TcpSession::open(bed.task(client), to, 0)
                    .is_ok_and(|session| session.first().task_name() == *node)
            };
            eventually(PATIENCE, &format!("{client} to meet {node} at {to}"), || meets(to))?;
        }
    }
    let shown = bed.cluster.sh_in(ns, &format!("ip -4 -oneline address show dev ov-{NET}"))?;
    ensure!(shown.contains(&format!("{}/24", bed.address("web.1"))), "{shown}");
    Ok(())
}
