//! Who owns how much of a service's rows, and how much history the rows carry.
use std::collections::BTreeMap;

use lb_common::row::{BackendNumber, ROW_LEN, Row};

/// Owners and history of one service's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowShares {
    /// Rows by current owner.
    pub owned: BTreeMap<BackendNumber, u32>,
    /// Rows that name the backend as a former owner.
    pub former: BTreeMap<BackendNumber, u32>,
    /// Rows by number of former owners.
    pub depth: [u32; ROW_LEN],
    /// Rows in all.
    pub total: u32,
}

impl RowShares {
    /// Counts over `rows`.
    #[must_use]
    pub fn of(rows: &[Row]) -> Self {
        let mut shares = Self::default();
        for row in rows {
            shares.count(*row);
        }
        shares
    }

    fn count(&mut self, row: Row) {
        self.total += 1;
        let [owner, former @ ..] = row.backends;
        let former: Vec<_> = former.into_iter().take_while(|&number| number != 0).collect();
        if owner != 0 {
            *self.owned.entry(owner).or_default() += 1;
        } else if former.is_empty() {
            return;
        }
        if let Some(rows) = self.depth.get_mut(former.len()) {
            *rows += 1;
        }
        for number in former {
            *self.former.entry(number).or_default() += 1;
        }
    }

    /// Rows that `number` owns.
    #[must_use]
    pub fn owned_by(&self, number: BackendNumber) -> u32 {
        self.owned.get(&number).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_and_history_are_counted_apart() {
        let shares = RowShares::of(&[Row::of(1), Row { backends: [2, 1, 0, 0] }, Row::default()]);
        assert_eq!(shares.owned, [(1, 1), (2, 1)].into());
        assert_eq!(shares.former, [(1, 1)].into());
        assert_eq!((shares.depth, shares.total), ([1, 1, 0, 0], 3));
        // All tasks drain: nobody owns the row, two still have its old flows.
        let drained = RowShares::of(&[Row { backends: [0, 2, 1, 0] }]);
        assert_eq!(
            (drained.owned.len(), drained.former.len(), drained.depth),
            (0, 2, [0, 0, 1, 0])
        );
    }
}
