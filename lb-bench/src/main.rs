//! `lb-bench [GROUP...]`: measures, prints progress and tables, writes results.

use std::{path::PathBuf, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use lb_bench::{
    bulk, churn,
    figure::Figure,
    leftovers,
    machine::Machine,
    noise::{CpuTimes, Noise},
    packet, rate, render,
    report::Report,
    requests,
    rounds::Rounds,
};

/// Fewest rounds that a result is made of.
const ROUNDS: usize = 15;
/// Rounds of a quick look.
const QUICK_ROUNDS: usize = 10;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Group {
    /// ns a packet in each program
    Packet,
    /// Packets a second through veths on one core
    Rate,
    /// Gbit/s of TCP
    Bulk,
    /// Requests and connections a second
    Requests,
    /// What a large cluster costs to load, change and keep
    Churn,
}

impl Group {
    const fn name(self) -> &'static str {
        match self {
            Self::Packet => "packet",
            Self::Rate => "rate",
            Self::Bulk => "bulk",
            Self::Requests => "requests",
            Self::Churn => "churn",
        }
    }
}

/// Measures swarmlb beside its comparators.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// What to measure; nothing: everything
    groups: Vec<Group>,
    /// Fewer and shorter rounds, for a first look
    #[arg(long)]
    quick: bool,
    /// Rounds; at least 10
    #[arg(long, value_parser = clap::value_parser!(u16).range(10..))]
    rounds: Option<u16>,
    /// Only figures with this in their name
    #[arg(long, value_name = "PART", default_value = "", conflicts_with = "results")]
    only: String,
    /// Also write the numbers to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where results are kept; without it nothing is written
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    ensure!(nix::unistd::geteuid().is_root(), "the bench loads BPF programs, so it needs root");
    leftovers::sweep().context("cannot remove what an earlier bench left")?;
    let groups = chosen(&cli.groups);
    let report = measure(&cli, &groups)?;
    let names: Vec<_> = groups.iter().map(|group| group.name()).collect();
    print!("{}", render::markdown(&report, &names));
    if let Some(file) = &cli.json {
        render::json(&report, file)?;
    }
    if let Some(dir) = &cli.results {
        render::write(&report, dir, &names)?;
        println!("\nresults are in {}", dir.display());
    }
    for reason in &report.too_noisy {
        eprintln!("warning: too noisy to conclude anything: {reason}");
    }
    Ok(())
}

/// Each group once, in their own order.
fn chosen(groups: &[Group]) -> Vec<Group> {
    let all = Group::value_variants().iter().copied();
    all.filter(|group| groups.is_empty() || groups.contains(group)).collect()
}

fn measure(cli: &Cli, groups: &[Group]) -> Result<Report> {
    let rounds = cli.rounds.map_or(if cli.quick { QUICK_ROUNDS } else { ROUNDS }, usize::from);
    let (mut figures, mut notes, mut noise) = (Vec::new(), Vec::new(), Noise::default());
    let before = CpuTimes::now()?;
    for &group in groups {
        // A thread each: what it does to its CPUs and its namespace ends with it.
        let run = || run(group, cli, rounds, &mut noise);
        let found = thread::scope(|scope| scope.spawn(run).join());
        let found = found.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (group_figures, group_notes) =
            found.with_context(|| format!("group {}", group.name()))?;
        figures.extend(group_figures);
        notes.extend(group_notes);
    }
    noise.stolen = CpuTimes::now()?.since(&before).stolen;
    let names: Vec<_> = groups.iter().map(|group| group.name()).collect();
    Ok(Report::new((Machine::look(), noise), (rounds, cli.quick), &names, (figures, notes)))
}

fn run(
    group: Group,
    cli: &Cli,
    count: usize,
    noise: &mut Noise,
) -> Result<(Vec<Figure>, Vec<String>)> {
    let rounds = Rounds { count, only: &cli.only };
    let secs = if cli.quick { 1 } else { 3 };
    match group {
        Group::Packet => {
            let runs = if cli.quick { 100_000 } else { 300_000 };
            packet::run(packet::Effort { rounds, runs, quick: cli.quick }, noise)
        }
        Group::Rate => rate::run(rounds, if cli.quick { 100_000 } else { 400_000 }, noise),
        Group::Bulk => bulk::run(rounds, secs, noise),
        Group::Requests => requests::run(rounds, secs, noise),
        Group::Churn => churn::run(rounds, (Duration::from_secs(secs.into()), cli.quick), noise),
    }
}
