//! Runs test programs, several at a time: scenarios wait for engines, agents and the kernel a good part
//! of their time, and leave room for others. Lines are printed as they come, with the name of their program before them.

use std::{
    collections::VecDeque,
    env,
    io::{BufRead, BufReader, Write as _},
    process::Stdio,
    sync::{Mutex, PoisonError},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow};

use super::{programs::Program, tally::Tally};
use crate::command::announce;

/// How many programs run at a time, each with a test per processor.
const AT_ONCE: usize = 2;

/// Seed of the property tests' cases, the same in every run unless it is set: a run that fails fails
/// again. Any other number, in a loop, is how to look for new cases.
const SEED: &str = "PROPTEST_RNG_SEED";

/// Runs all of them with the same arguments and adds up what they report.
pub(super) fn run(programs: Vec<Program>, args: &[String]) -> Tally {
    let waiting = Mutex::new(VecDeque::from(programs));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || {
        let mut own = Tally::default();
        while let Some(program) = next() {
            own.add(run_one(program, args));
        }
        own
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let ended = lanes.into_iter().map(thread::ScopedJoinHandle::join);
        let mut all = Tally::default();
        ended.for_each(|own| all.add(own.unwrap_or_else(|panic| std::panic::resume_unwind(panic))));
        all
    })
}

/// Runs one to its end. A test program that died prints no result: its status is the only trace.
fn run_one(mut program: Program, args: &[String]) -> Tally {
    program.command.args(args);
    if env::var_os(SEED).is_none() {
        program.command.env(SEED, "20260");
    }
    let mut tally = Tally::default();
    let outcome = run_and_read(&mut program, &mut tally);
    if outcome.is_err() && tally.has_no_failure() {
        tally.count(&program.name, outcome);
    }
    tally
}

fn run_and_read(program: &mut Program, tally: &mut Tally) -> Result<()> {
    let begun = Instant::now();
    let shown = announce(&program.command);
    let child = program.command.stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot run `{shown}`"))?;
    if let Some(stdout) = child.stdout.take() {
        copy_and_read(BufReader::new(stdout), &program.name, tally)?;
    }
    let status = child.wait()?;
    println!("{} | ended after {:.0} s", program.name, begun.elapsed().as_secs_f64());
    if status.success() {
        return Ok(());
    }
    Err(anyhow!("`{shown}` ended with {status} and named no failed test"))
}

/// Prints whole lines only, so that those of two programs are never mixed.
fn copy_and_read(lines: impl BufRead, name: &str, tally: &mut Tally) -> Result<()> {
    // Split by byte: a test may print anything.
    for line in lines.split(b'\n') {
        let line = line.with_context(|| format!("cannot read what {name} prints"))?;
        let line = String::from_utf8_lossy(&line);
        writeln!(std::io::stdout().lock(), "{name} | {line}")?;
        tally.read(&line);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::command;

    fn shell(name: &str, script: &str) -> Program {
        Program { name: name.to_owned(), command: command("sh", ["-c", script]) }
    }

    #[test]
    fn what_programs_report_is_added_up() {
        let good = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'";
        let bad = "echo 'test b::c ... FAILED'; \
                   echo 'test result: FAILED. 1 passed; 1 failed; 0 ignored'; exit 101";
        let programs = ["a", "d", "e", "f"].map(|name| shell(name, good)).into_iter();
        let tally = run(programs.chain([shell("b", bad)]).collect(), &[]);
        assert_eq!(tally.to_string(), "\nFailed:\n  b::c\n9 passed, 1 failed\n");
    }

    #[test]
    fn a_program_that_dies_without_a_word_has_failed() {
        let tally = run(vec![shell("a", "echo running 3 tests; kill -9 $$")], &[]);
        assert!(!tally.is_success());
        let told = tally.to_string();
        assert!(told.contains("  a: ") && told.contains("signal: 9"), "{told}");
    }

    #[test]
    fn a_program_that_does_not_start_has_failed() {
        let absent = Program { name: "a".to_owned(), command: command("/no/such", [""; 0]) };
        assert!(run(vec![absent], &[]).to_string().ends_with("0 passed, 1 failed\n"));
    }
}
