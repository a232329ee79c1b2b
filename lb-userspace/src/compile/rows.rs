//! Who owns which row of a service: owners by the scheduler, history from the rows before.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::{
    backend::STATE_DRAINING,
    row::{BackendNumber, Row},
    service::SCHEDULER_RR,
    table::{Liveness, Share, grow, maglev_owners, rebuild, round_robin_owners},
};

use super::{BackendContents, PreviousService, backends::changed_hands};

/// The rows of a service with these backends; none where it has nobody to send anything to. Where
/// only draining backends are left, rows have history and no owner.
pub(super) fn rows(
    backends: &BTreeMap<BackendNumber, BackendContents>,
    held: &BTreeSet<String>,
    (scheduler, seed): (u8, u32),
    previous: Option<&PreviousService>,
) -> Vec<Row> {
    let before = previous.map_or(&[][..], |previous| &previous.rows);
    let taking = backends.values().filter(|backend| backend.weight > 0).count();
    let count = grow(before.len() as u32, taking);
    if scheduler == SCHEDULER_RR {
        let owners = round_robin_owners(&shares(backends, held), count);
        return owners.into_iter().map(Row::of).collect();
    }
    let owners = owners(backends, held, before, (count, seed));
    let alive = liveness(backends, previous);
    let alive = |number| alive.get(usize::from(number)).copied().unwrap_or(Liveness::Gone);
    let rows = rebuild(before, &owners, alive);
    if rows.iter().all(|row| *row == Row::default()) { Vec::new() } else { rows }
}

/// Owners of the rows under the `hash` scheduler. Rows that will be a held task's stay whose they are
/// until then: so a change moves a row once, not twice, and its history lasts for more changes.
fn owners(
    backends: &BTreeMap<BackendNumber, BackendContents>,
    held: &BTreeSet<String>,
    before: &[Row],
    (count, seed): (u32, u32),
) -> Vec<BackendNumber> {
    let maglev = |held| {
        let mut owners = maglev_owners(&shares(backends, held), count, seed);
        owners.resize(count as usize, 0);
        owners
    };
    let (last, now) = (maglev(&BTreeSet::new()), maglev(held));
    let ready: BTreeSet<_> = shares(backends, held).iter().map(|share| share.number).collect();
    let mask = before.len().saturating_sub(1);
    let stays = |row: usize| before.get(row & mask).map(|row| row.owner());
    let owner = |(row, (last, now))| match (ready.contains(&last), stays(row)) {
        (true, _) => last,
        (false, Some(owner)) if ready.contains(&owner) => owner,
        (false, _) => now,
    };
    last.into_iter().zip(now).enumerate().map(owner).collect()
}

/// Who may own rows: those that take new flows and are not held; where there is none, the held.
fn shares(
    backends: &BTreeMap<BackendNumber, BackendContents>,
    held: &BTreeSet<String>,
) -> Vec<Share> {
    let share = |(&number, backend): (&BackendNumber, &BackendContents)| Share {
        number,
        weight: backend.weight,
    };
    let taking = || backends.iter().filter(|(_, backend)| backend.weight > 0);
    let ready: Vec<Share> =
        taking().filter(|(_, backend)| !held.contains(&backend.task)).map(share).collect();
    if ready.is_empty() { taking().map(share).collect() } else { ready }
}

/// What numbers in old rows may still do, by number. One that changed hands is another task now,
/// which knows nothing of the old flows.
fn liveness(
    backends: &BTreeMap<BackendNumber, BackendContents>,
    previous: Option<&PreviousService>,
) -> Vec<Liveness> {
    let highest = backends.keys().next_back().copied().unwrap_or_default();
    let mut alive = vec![Liveness::Gone; usize::from(highest) + 1];
    let known = backends
        .iter()
        .filter(|(number, backend)| !changed_hands(previous, **number, &backend.task));
    for (&number, backend) in known {
        let draining = backend.state == STATE_DRAINING;
        alive[usize::from(number)] = if draining { Liveness::Draining } else { Liveness::Active };
    }
    alive
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::fixtures;
    use lb_common::service::SCHEDULER_HASH;

    fn rows_of(weights: &[u16], held: &[&str], before: &[Row]) -> Vec<Row> {
        let backend = |number: BackendNumber, weight| {
            (number, fixtures::backend(&format!("t{number}"), weight))
        };
        let backends: BTreeMap<_, _> =
            (1..).zip(weights).map(|(number, &weight)| backend(number, weight)).collect();
        let tasks = backends.iter().map(|(&number, backend)| (number, (backend.task.clone(), 1)));
        let previous = PreviousService {
            index: 1,
            rows: before.to_vec(),
            backends: tasks.collect(),
            ..Default::default()
        };
        let held = held.iter().map(|&task| task.to_owned()).collect();
        rows(&backends, &held, (SCHEDULER_HASH, 7), Some(&previous))
    }

    #[test]
    fn a_held_task_owns_nothing_unless_it_is_alone() {
        assert!(rows_of(&[1, 1], &["t2"], &[]).iter().all(|row| *row == Row::of(1)));
        assert!(rows_of(&[0, 1], &["t2"], &[]).iter().all(|row| *row == Row::of(2)));
    }

    #[test]
    fn rows_wait_for_a_held_task_with_their_owner() {
        let before = rows_of(&[1, 1], &[], &[]);
        let held = rows_of(&[1, 1, 1, 1], &["t4"], &before);
        let last = rows_of(&[1, 1, 1, 1], &[], &held);
        for ((before, held), last) in before.iter().zip(&held).zip(&last) {
            let waits = if last.owner() == 4 { before.owner() } else { last.owner() };
            assert_eq!(held.owner(), waits);
            assert_eq!(last.backends[2], 0, "moved twice: {last:?}");
        }
    }

    #[test]
    fn the_last_draining_task_keeps_its_flows() {
        let before = vec![Row::of(1); 256];
        let drained = Row { backends: [0, 1, 0, 0] };
        assert_eq!(rows_of(&[0], &[], &before), vec![drained; 256]);
        assert_eq!(rows_of(&[0], &[], &[]), []);
    }

    #[test]
    fn nobody_left_means_no_rows() {
        assert_eq!(rows_of(&[], &[], &vec![Row::of(1); 256]), []);
    }
}
