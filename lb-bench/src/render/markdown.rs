//! A report as Markdown: the machine, the bounds, the figures.

use std::fmt::Write as _;

use comfy_table::{Table, presets::ASCII_MARKDOWN};

use crate::{bounds::Judged, figure::Figure, report::Report};

/// The whole report.
#[must_use]
pub fn markdown(report: &Report, groups: &[&str]) -> String {
    let mut text = format!("# Benchmarks: {}\n\n{}", groups.join(", "), head(report));
    if !report.bounds.is_empty() {
        let _ = write!(text, "\n## What must hold\n\n{}\n", bounds(&report.bounds));
    }
    for group in groups {
        let _ = write!(text, "\n## {group}\n\n{}\n", figures(report, group));
    }
    text
}

fn head(report: &Report) -> String {
    let machine = &report.machine;
    let guest = if machine.guest { ", a virtual machine" } else { "" };
    let mut text = format!(
        "{} x {}{guest}; Linux {}; governor: {}; BPF JIT {}; Spectre v2: {}.\n\n",
        machine.cpus,
        machine.cpu,
        machine.kernel,
        machine.governor,
        machine.bpf_jit,
        machine.spectre_v2
    );
    let kind = if report.quick { " (quick: no result to rely on)" } else { "" };
    let _ = writeln!(text, "{} interleaved rounds{kind}.", report.rounds);
    for note in &report.notes {
        let _ = writeln!(text, "\n- {note}");
    }
    for reason in &report.too_noisy {
        let _ = writeln!(text, "\n**Too noisy to conclude:** {reason}.");
    }
    text
}

fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(header);
    rows.for_each(|row| {
        table.add_row(row);
    });
    table.to_string()
}

fn bounds(bounds: &[Judged]) -> String {
    let row = |judged: &Judged| {
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        [
            judged.bound.figure.to_owned(),
            judged.bound.to_string(),
            number(judged.figure),
            number(judged.limit),
            judged.verdict.name().to_owned(),
        ]
    };
    table(["figure", "must be", "median", "limit", "verdict"], bounds.iter().map(row))
}

fn figures(report: &Report, group: &str) -> String {
    let row = |figure: &Figure| {
        [
            figure.id.clone(),
            figure.title.clone(),
            figure.unit.name().to_owned(),
            number(figure.best()),
            number(figure.median()),
            format!("{:.0} %", figure.spread() * 100.0),
        ]
    };
    let figures = report.figures.iter().filter(|figure| figure.group() == group);
    table(["figure", "what", "unit", "best", "median", "spread"], figures.map(row))
}

/// Three digits that count, as far as they are there.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{figure::Unit, machine::Machine, noise::Noise};

    fn report() -> Report {
        let figure = Figure {
            samples: vec![45.0; 10],
            base: vec![30.0; 10],
            ..Figure::new("packet/pass/unpublished", "a port of nobody", Unit::NsPerPacket)
        };
        let noise = Noise { work_ns: vec![1.0; 10], ..Noise::default() };
        let found = (vec![figure], vec!["GRO off".to_owned()]);
        Report::new((Machine::look(), noise), (10, false), &["packet"], found)
    }

    #[test]
    fn bounds_stand_beside_what_was_measured() {
        let text = markdown(&report(), &["packet"]);
        let line = text.lines().find(|line| line.contains("<= 20")).expect("the bound");
        let cells: Vec<_> =
            line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, ["packet/pass/unpublished", "<= 20", "15.0", "20.0", "held"]);
        assert!(text.contains("\n- GRO off\n"), "{text}");
    }

    #[test]
    fn a_noisy_machine_is_told_before_any_number() {
        let loud = Noise { work_ns: vec![1.0, 2.0, 2.0], ..Noise::default() };
        let report =
            Report::new((Machine::look(), loud), (10, false), &["packet"], Default::default());
        let text = markdown(&report, &["packet"]);
        assert!(text.find("Too noisy") < text.find("## What must hold"), "{text}");
        assert!(!text.contains("| held"), "{text}");
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!([1.234, 12.34, 123.4, 12345.0].map(number), ["1.23", "12.3", "123", "12345"]);
    }
}
