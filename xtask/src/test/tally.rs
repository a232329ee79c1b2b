//! Adds up what the test programs report. Pure.

use std::fmt;

/// How many tests passed, and which failed.
#[derive(Debug, Default)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
}

impl Tally {
    /// Reads one line of a test program's output.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.passed += number_before(result, "passed");
            self.failed += number_before(result, "failed");
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
    }

    /// Counts one check that is not cargo's.
    pub(super) fn count(&mut self, name: &str, outcome: anyhow::Result<()>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(error) => {
                self.failed += 1;
                self.failures.push(format!("{name}: {error:#}"));
            }
        }
    }

    /// Whether at least one test ran and none failed.
    pub(super) fn is_success(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

/// The failures, then the line that ends the run.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.failures.is_empty() {
            writeln!(f, "\nFailed:")?;
        }
        for failure in &self.failures {
            writeln!(f, "  {failure}")?;
        }
        if self.passed + self.failed == 0 {
            writeln!(f, "\nNo test ran: is the filter right?")?;
        }
        writeln!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// `3` from `ok. 3 passed; 1 failed; ...` for `passed`.
fn number_before(result: &str, word: &str) -> u64 {
    let mut words = result.split([' ', ';']).filter(|word| !word.is_empty());
    let mut before = "";
    words
        .find_map(|this| {
            let number = (this == word).then_some(before);
            before = this;
            number
        })
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn results_of_several_programs_add_up() {
        let tally = read(&[
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.0s",
            "running 2 tests",
            "test result: ok. 30 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1s",
        ]);
        assert!(tally.is_success());
        assert_eq!(tally.to_string(), "42 passed, 0 failed\n");
    }

    #[test]
    fn failures_are_named_again_at_the_end() {
        let tally = read(&[
            "test mesh::drains ... FAILED",
            "test mesh::answers ... ok",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
        ]);
        assert!(!tally.is_success());
        assert_eq!(tally.to_string(), "\nFailed:\n  mesh::drains\n1 passed, 1 failed\n");
    }

    #[test]
    fn no_test_at_all_is_a_failure() {
        let tally =
            read(&["test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out"]);
        assert!(!tally.is_success());
        assert!(tally.to_string().ends_with("\n0 passed, 0 failed\n"));
    }

    #[test]
    fn other_checks_count_too() {
        let mut tally = Tally::default();
        tally.count("budget", Ok(()));
        assert!(tally.is_success());
        tally.count("budget", Err(anyhow::anyhow!("too big")));
        assert_eq!(tally.to_string(), "\nFailed:\n  budget: too big\n1 passed, 1 failed\n");
    }
}
