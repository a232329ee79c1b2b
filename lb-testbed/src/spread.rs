//! Whether counts are spread as they should be: Pearson's chi-squared test.

/// The result of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChiSquared {
    /// Sum over all counts of (observed - expected)^2 / expected.
    pub statistic: f64,
    /// What a fair spread exceeds once in 1000 times.
    pub critical: f64,
}

impl ChiSquared {
    /// Whether the counts may well come from the expected spread.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        self.statistic <= self.critical
    }
}

/// Compares counts with the shares they should have, given as weights above 0 in the same order.
///
/// ```
/// # use lb_testbed::chi_squared;
/// assert!(chi_squared(&[2480, 5020], &[1.0, 2.0]).is_plausible());
/// assert!(!chi_squared(&[3750, 3750], &[1.0, 2.0]).is_plausible());
/// ```
#[must_use]
pub fn chi_squared(observed: &[u64], weights: &[f64]) -> ChiSquared {
    assert_eq!(observed.len(), weights.len(), "a weight for each count");
    let total = observed.iter().sum::<u64>() as f64;
    let weight_sum: f64 = weights.iter().sum();
    let term = |(&count, weight): (&u64, &f64)| {
        let expected = total * weight / weight_sum;
        (count as f64 - expected).powi(2) / expected
    };
    let statistic = observed.iter().zip(weights).map(term).sum();
    ChiSquared { statistic, critical: critical(observed.len().saturating_sub(1)) }
}

/// The 99.9th percentile of the chi-squared distribution by Wilson and Hilferty's approximation,
/// at most 3 % too high, at one degree of freedom.
fn critical(degrees: usize) -> f64 {
    /// The normal distribution's 99.9th percentile.
    const Z: f64 = 3.0902;
    let degrees = degrees.max(1) as f64;
    let ninth = 2.0 / (9.0 * degrees);
    degrees * (1.0 - ninth + Z * ninth.sqrt()).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn critical_values_are_those_of_the_tables() {
        for (degrees, table) in [(1, 10.83), (2, 13.82), (5, 20.52), (10, 29.59), (100, 149.45)] {
            let error = critical(degrees) / table - 1.0;
            assert!(
                (-0.001..0.031).contains(&error),
                "{degrees}: {} is not {table}",
                critical(degrees)
            );
        }
    }

    #[test]
    fn a_lopsided_spread_is_found_and_an_even_one_is_not() {
        assert!(chi_squared(&[3333, 3300, 3367], &[1.0; 3]).is_plausible());
        assert!(!chi_squared(&[3633, 3200, 3167], &[1.0; 3]).is_plausible());
        assert!(!chi_squared(&[10_000, 0], &[1.0; 2]).is_plausible());
    }
}
