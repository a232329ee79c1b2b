//! The budget as text: one line per program, made to be read in a diff. Pure.

use std::{fmt, str::FromStr};

use anyhow::{Context as _, Error, Result, bail};

/// How much a number may grow before the comparison fails, in percent.
const TOLERANCE_PERCENT: u64 = 10;
/// Small programs may grow by this many instructions whatever the percentage.
const TOLERANCE_INSTRUCTIONS: u64 = 50;
const CIRCUMSTANCES: &str = "# Measured with ";

/// What one program costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    /// The program's name.
    pub(super) program: String,
    /// Instructions that the verifier walked through, all branches counted.
    pub(super) processed_instructions: u64,
    /// Instructions that the kernel keeps.
    pub(super) kept_instructions: u64,
}

/// Every program's cost, and what was measured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Compiler and kernel: other ones count differently.
    pub(super) circumstances: String,
    /// Sorted by name.
    pub(super) costs: Vec<Cost>,
}

impl Record {
    /// One sentence per program that has outgrown this record in `now` or is not in it.
    pub(super) fn outgrown_by(&self, now: &Self) -> Vec<String> {
        now.costs.iter().filter_map(|cost| self.finding(cost)).collect()
    }

    fn finding(&self, now: &Cost) -> Option<String> {
        let program = &now.program;
        let Some(before) = self.costs.iter().find(|cost| cost.program == *program) else {
            return Some(format!("{program} has no budget yet"));
        };
        let (was, is) = (before.processed_instructions, now.processed_instructions);
        let limit = (was + was * TOLERANCE_PERCENT / 100).max(was + TOLERANCE_INSTRUCTIONS);
        (is > limit).then(|| {
            format!("{program} costs the verifier {is} instructions; {was} are recorded, {limit} allowed")
        })
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# What each program costs the verifier. Written by `cargo xtask budget --update`,"
        )?;
        writeln!(f, "# compared by `cargo xtask test`: {TOLERANCE_PERCENT} % more fails.")?;
        writeln!(f, "# processed: instructions the verifier walked through, of at most 1000000;")?;
        writeln!(f, "# kept: instructions that the kernel runs after its own rewriting.")?;
        writeln!(f, "{CIRCUMSTANCES}{}", self.circumstances)?;
        writeln!(f, "# {:<14} {:>10} {:>8}", "program", "processed", "kept")?;
        for cost in &self.costs {
            let Cost { program, processed_instructions, kept_instructions } = cost;
            writeln!(f, "{program:<16} {processed_instructions:>10} {kept_instructions:>8}")?;
        }
        Ok(())
    }
}

impl FromStr for Record {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let circumstances = text
            .lines()
            .find_map(|line| line.strip_prefix(CIRCUMSTANCES))
            .with_context(|| format!("no line starts with {CIRCUMSTANCES:?}"))?;
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let costs = lines.map(parse_cost).collect::<Result<_>>()?;
        Ok(Self { circumstances: circumstances.to_owned(), costs })
    }
}

fn parse_cost(line: &str) -> Result<Cost> {
    let mut fields = line.split_whitespace();
    let program = fields.next().unwrap_or_default().to_owned();
    let numbers = fields.map(str::parse).collect::<Result<Vec<u64>, _>>();
    let numbers = numbers.with_context(|| format!("in line {line:?}"))?;
    let [processed_instructions, kept_instructions] = numbers[..] else {
        bail!("line {line:?} has no two numbers after the name");
    };
    Ok(Cost { program, processed_instructions, kept_instructions })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(processed_instructions: u64) -> Record {
        let program = "xdp_node".to_owned();
        let cost = Cost { program, processed_instructions, kept_instructions: 900 };
        Record { circumstances: "rustc 1.96.0 and Linux 6.18".to_owned(), costs: vec![cost] }
    }

    #[test]
    fn text_and_record_are_the_same() {
        let written = record(4321);
        assert_eq!(written.to_string().parse::<Record>().expect("own text"), written);
    }

    #[test]
    fn growth_within_ten_percent_passes() {
        assert_eq!(record(1000).outgrown_by(&record(1100)), [] as [&str; 0]);
    }

    #[test]
    fn more_growth_fails_and_says_by_how_much() {
        let findings = record(1000).outgrown_by(&record(1101));
        assert_eq!(
            findings,
            ["xdp_node costs the verifier 1101 instructions; 1000 are recorded, 1100 allowed"]
        );
    }

    #[test]
    fn small_programs_may_grow_by_a_few_instructions() {
        assert_eq!(record(20).outgrown_by(&record(70)), [] as [&str; 0]);
        assert_eq!(record(20).outgrown_by(&record(71)).len(), 1);
    }

    #[test]
    fn a_new_program_needs_a_budget() {
        let empty = Record { costs: Vec::new(), ..record(1) };
        assert_eq!(empty.outgrown_by(&record(1)), ["xdp_node has no budget yet"]);
    }

    #[test]
    fn a_spoilt_line_is_named() {
        let text = format!("{CIRCUMSTANCES}x\nxdp_node 12 many 3\n");
        let error = text.parse::<Record>().expect_err("no number");
        assert_eq!(error.to_string(), "in line \"xdp_node 12 many 3\"");
    }
}
