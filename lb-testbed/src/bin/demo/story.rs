//! How the demo speaks: chapters, paragraphs, commands with their output, tables, and checks that
//! are counted for the exit status.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Error, Result};

use crate::interrupt;

/// What precedes every line below a chapter's title.
const INDENT: &str = "   ";
/// Exit status after an interruption, as shells have it for SIGINT.
const INTERRUPTED: u8 = 130;

/// What was told so far.
#[derive(Debug)]
pub(crate) struct Story {
    begun: Instant,
    chapters: u32,
    held: u32,
    failed: u32,
}

impl Story {
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), chapters: 0, held: 0, failed: 0 }
    }

    /// Begins a chapter.
    pub(crate) fn chapter(&mut self, title: &str) {
        self.chapters += 1;
        println!("\n{}. {title}", self.chapters);
    }

    /// A paragraph.
    pub(crate) fn say(&self, text: &str) {
        println!();
        self.show(text);
    }

    /// Lines as they are.
    pub(crate) fn show(&self, text: &str) {
        text.lines().for_each(|line| println!("{}", format!("{INDENT}{line}").trim_end()));
    }

    /// A command as one would type it, with its output.
    pub(crate) fn command(&self, command: &str, output: &str) {
        println!("\n{INDENT}$ {command}");
        self.show(output);
    }

    /// Columns; the first is aligned to the left, numbers to the right.
    pub(crate) fn table(&self, rows: &[Vec<String>]) {
        println!();
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| rows.iter().filter_map(|row| Some(row.get(column)?.len())).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for row in rows {
            let cell = |(at, text): (usize, &String)| match (at, widths[at]) {
                (0, width) => format!("{text:<width$}"),
                (_, width) => format!("{text:>width$}"),
            };
            self.show(&row.iter().enumerate().map(cell).collect::<Vec<_>>().join("   "));
        }
    }

    /// A claim and whether it held.
    pub(crate) fn check(&mut self, held: bool, claim: &str) {
        let mark = if held { "ok    " } else { "FAILED" };
        *(if held { &mut self.held } else { &mut self.failed }) += 1;
        println!("{INDENT}{mark} {claim}");
    }

    /// Does something that takes a while, and says so.
    ///
    /// # Errors
    /// Those of `work`, or an interruption.
    pub(crate) fn during<T>(&self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        interrupt::check()?;
        print!("{INDENT}{what} ... ");
        // The words are only for the eye; a pipe that cannot take them shows at the next line.
        let _ = io::stdout().flush();
        let begun = Instant::now();
        let outcome = work();
        println!("{}", if outcome.is_ok() { seconds(begun.elapsed()) } else { "failed".into() });
        interrupt::check()?;
        outcome
    }

    /// The last words, and the exit status.
    pub(crate) fn end(&self) -> ExitCode {
        if interrupt::seen() {
            return ExitCode::from(INTERRUPTED);
        }
        let Self { held, failed, .. } = self;
        let took = seconds(self.begun.elapsed());
        println!("\n{} checks in {took}: {held} held, {failed} failed.", held + failed);
        if *failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// The last words if the demo could not go on.
    pub(crate) fn broken(&self, error: &Error) -> ExitCode {
        if interrupt::seen() {
            return ExitCode::from(INTERRUPTED);
        }
        eprintln!("\nThe demo could not go on: {error:#}");
        ExitCode::FAILURE
    }
}

/// A time for people.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
