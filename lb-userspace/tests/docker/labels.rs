//! Labels of a service choose how it is balanced.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use lb_testbed::{Session as _, TcpSession, dial, in_ns};

use super::bed::{AMPLE, Bed, await_answer, meet, names};

#[test]
fn a_scheduler_and_a_return_path_are_chosen_by_label() -> Result<()> {
    let bed = Bed::shared()?;
    let words = "--replicas 3 --label swarmlb.scheduler=rr --label swarmlb.return=direct \
                 --publish published=8301,target=80 whoami";
    let tasks = bed.service("turning", words)?;
    let to = bed.at("n1", 8301);
    let met = in_ns(bed.client(), || -> Result<Vec<String>> {
        (0..12).map(|_| Ok(TcpSession::open_here(to, 0)?.first().task_name().to_owned())).collect()
    })??;
    ensure!(met[..3].iter().cloned().collect::<BTreeSet<_>>() == names(&tasks), "{met:?}");
    ensure!(met.chunks(3).all(|round| round == &met[..3]), "no turns: {met:?}");
    assert_eq!(meet::<TcpSession>(bed.client(), bed.at("n2", 8301))?, names(&tasks));
    Ok(())
}

#[test]
fn affinity_keeps_a_client_with_one_task() -> Result<()> {
    let bed = Bed::shared()?;
    let words = "--replicas 3 --label swarmlb.affinity=client-ip \
                 --publish published=8302,target=80 whoami";
    bed.service("sticky", words)?;
    let mut met = BTreeSet::new();
    for to in bed.everywhere(8302) {
        met.extend(meet::<TcpSession>(bed.client(), to)?);
    }
    ensure!(met.len() == 1, "one client met {met:?}");
    Ok(())
}

#[test]
fn a_service_that_is_not_wanted_is_left_alone_until_it_is() -> Result<()> {
    let bed = Bed::shared()?;
    let words = "--replicas 1 --label swarmlb.enable=false \
                 --publish published=8303,target=80 whoami";
    bed.swarm.create_service("unwanted", words)?;
    // Known to all nodes and published after it: whatever is known by then, this port is refused.
    bed.service("wanted", "--replicas 1 --publish published=8304,target=80 whoami")?;
    for to in bed.everywhere(8303) {
        ensure!(dial(bed.client(), to, 0, AMPLE)?.is_err(), "{to} answers");
    }
    bed.swarm.docker("n1", "service update --detach --label-add swarmlb.enable=true unwanted")?;
    bed.everywhere(8303).into_iter().try_for_each(|to| await_answer(bed.client(), to))
}

#[test]
fn a_wrong_label_is_told_and_the_default_used() -> Result<()> {
    let bed = Bed::shared()?;
    let words = "--replicas 1 --label swarmlb.scheduler=fastest \
                 --publish published=8305,target=80 whoami";
    bed.service("wrong", words)?;
    await_answer(bed.client(), bed.at("n2", 8305))?;
    let told = bed.swarm.swarmlb("n1", "service inspect wrong")?;
    ensure!(told.contains("swarmlb.scheduler") && told.contains("fastest"), "{told}");
    Ok(())
}
