//! Statistics of a few repeated measurements: robust ones, since neighbours disturb some of them.

/// A sorted copy.
fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// The smallest value; infinite for none.
#[must_use]
pub fn minimum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The largest value; minus infinity for none.
#[must_use]
pub fn maximum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// The median; not a number for none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let values = sorted(values);
    let middle = values.len() / 2;
    match (values.len() % 2, values.get(middle)) {
        (_, None) => f64::NAN,
        (1, Some(value)) => *value,
        (_, Some(value)) => (value + values[middle - 1]) / 2.0,
    }
}

/// Half the distance between the quartiles, in parts of the median: how much single values differ.
#[must_use]
pub fn spread(values: &[f64]) -> f64 {
    let ordered = sorted(values);
    let at = |part: usize| ordered.get(ordered.len() * part / 4).copied();
    match (at(1), at(3)) {
        (Some(low), Some(high)) if low == high => 0.0,
        (Some(low), Some(high)) => (high - low) / 2.0 / median(values).abs(),
        _ => f64::NAN,
    }
}

/// An interval that has the true median with at least 95 % probability, whatever the distribution: by
/// ranks, from the binomial distribution. `None` for fewer than six values, which cannot say so.
#[must_use]
pub fn median_interval(values: &[f64]) -> Option<(f64, f64)> {
    let values = sorted(values);
    let cut = rank(values.len())?;
    Some((values[cut], values[values.len() - 1 - cut]))
}

/// How many values may be left out at either end.
fn rank(count: usize) -> Option<usize> {
    let mut outside = 0.0;
    let mut probability = 0.5_f64.powi(i32::try_from(count).ok()?);
    let mut cut = None;
    for below in 0..count {
        outside += probability;
        if 2.0 * outside > 0.05 {
            break;
        }
        cut = Some(below);
        probability *= (count - below) as f64 / (below + 1) as f64;
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle_and_ends() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!((minimum(&[3.0, 1.0]), maximum(&[3.0, 1.0])), (1.0, 3.0));
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn one_outlier_does_not_spread() {
        let quiet = [10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 90.0];
        assert_eq!(spread(&quiet), 0.0);
        assert_eq!(spread(&[0.0, 0.0]), 0.0, "of nothing, nothing");
        assert_eq!(spread(&[8.0, 8.0, 10.0, 10.0, 10.0, 12.0, 12.0, 12.0]), 0.1);
    }

    #[test]
    fn ranks_are_those_of_the_sign_test() {
        // Tables of the sign test at 5 %, two-sided.
        assert_eq!(
            [5, 6, 9, 10, 12, 15, 20].map(rank),
            [None, Some(0), Some(1), Some(1), Some(2), Some(3), Some(5)]
        );
    }

    #[test]
    fn the_interval_leaves_outliers_out() {
        let values: Vec<f64> = (0..10).map(f64::from).collect();
        assert_eq!(median_interval(&values), Some((1.0, 8.0)));
        assert_eq!(median_interval(&values[..5]), None);
    }
}
