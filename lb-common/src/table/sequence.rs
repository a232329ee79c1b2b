//! Whose turn it is: a smooth weighted order of backends. Round robin writes it into the rows as it
//! stands; Maglev lets backends claim rows in this order.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Share, ordered};
use crate::row::BackendNumber;

/// Fraction bits of a turn's time: keeps turns apart at the largest weight, and 2^18 turns of
/// weight 1 inside 64 bits.
const FRACTION_BITS: u32 = 32;

/// Endless order of positions in a list of shares, each as often as its weight says and spread
/// evenly.
///
/// A share of weight w has its k-th turn at time (k - 1/2) / w: what Katran's second weighting does
/// with a credit per round (`MaglevHashV2.cpp`), with rounds made infinitely short. Its first
/// weighting (w slots in a row) gives wrong shares unless the weights add up to the table's size.
#[derive(Debug)]
pub(super) struct Turns {
    /// Time of the next turn, position, half-turns passed, weight; earliest on top.
    next: BinaryHeap<Reverse<(u64, usize, u64, u16)>>,
}

impl Turns {
    /// Starts the order; all weights must be above 0.
    pub(super) fn new(shares: &[Share]) -> Self {
        let first = shares.iter().enumerate();
        Self {
            next: first
                .map(|(at, share)| Reverse((time(1, share.weight), at, 1, share.weight)))
                .collect(),
        }
    }
}

impl Iterator for Turns {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let mut top = self.next.peek_mut()?;
        let Reverse((_, position, half_turns, weight)) = *top;
        *top = Reverse((time(half_turns + 2, weight), position, half_turns + 2, weight));
        Some(position)
    }
}

/// When a share of this weight has had so many half-turns.
fn time(half_turns: u64, weight: u16) -> u64 {
    (half_turns << FRACTION_BITS) / u64::from(weight.max(1))
}

/// Owners of `rows` rows for round robin: walking the rows in order visits backends by turns.
/// Empty where no share has a weight.
#[must_use]
pub fn round_robin_owners(shares: &[Share], rows: u32) -> Vec<BackendNumber> {
    let shares = ordered(shares);
    Turns::new(&shares).take(rows as usize).map(|position| shares[position].number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(weights: &[u16]) -> Vec<Share> {
        weights.iter().zip(1..).map(|(&weight, number)| Share { number, weight }).collect()
    }

    #[test]
    fn equal_weights_alternate() {
        assert_eq!(round_robin_owners(&shares(&[1, 1]), 6), [1, 2, 1, 2, 1, 2]);
        assert_eq!(round_robin_owners(&shares(&[7, 7, 7]), 6), [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn unequal_weights_are_spread_and_not_bunched() {
        assert_eq!(round_robin_owners(&shares(&[5, 1, 1]), 7), [1, 1, 1, 2, 3, 1, 1]);
        assert_eq!(round_robin_owners(&shares(&[2, 1]), 6), [1, 2, 1, 1, 2, 1]);
    }

    #[test]
    fn no_weight_no_owner() {
        assert_eq!(round_robin_owners(&shares(&[0, 0]), 256), []);
        assert_eq!(round_robin_owners(&shares(&[0, 3]), 2), [2, 2]);
    }

    #[test]
    fn turns_stay_exact_at_extreme_weights() {
        let owners = round_robin_owners(&shares(&[u16::MAX, 1]), super::super::ROWS_MAX);
        assert_eq!(owners.iter().filter(|&&owner| owner == 2).count(), 4);
    }
}
