//! Plots: a bar a figure, from its best to its median, figures of one unit together.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::{figure::Figure, report::Report};

/// Width of a plot, pixels.
const WIDTH: u32 = 900;
/// Height of a bar with its gap, pixels.
const BAR: u32 = 22;
/// Height of title and axis.
const FRAME: u32 = 90;
/// Width of the bars' names.
const NAMES: u32 = 300;

/// A plot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plot {
    /// Name of its file, without ending.
    pub(super) name: String,
    /// The picture.
    pub(super) svg: String,
}

/// The plots of a group: one a unit.
pub(super) fn plots(report: &Report, group: &str) -> Result<Vec<Plot>> {
    let mut by_unit: BTreeMap<&str, Vec<&Figure>> = BTreeMap::new();
    for figure in report.figures.iter().filter(|figure| figure.group() == group) {
        by_unit.entry(figure.unit.name()).or_default().push(figure);
    }
    let plot = |(unit, figures): (&str, Vec<&Figure>)| {
        let name = if unit.is_empty() { "count" } else { unit };
        let name = format!("{group}-{}", name.replace('/', "-per-"));
        let mut svg = String::new();
        draw(&mut svg, (group, unit), &figures).map_err(|error| anyhow!("cannot plot: {error}"))?;
        Ok(Plot { name, svg })
    };
    by_unit.into_iter().map(plot).collect()
}

fn draw(
    svg: &mut String,
    (group, unit): (&str, &str),
    figures: &[&Figure],
) -> Result<(), Box<dyn std::error::Error>> {
    let count = figures.len();
    let area =
        SVGBackend::with_string(svg, (WIDTH, FRAME + BAR * count as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let most = figures.iter().map(|figure| figure.median()).fold(1e-9, f64::max) * 1.05;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{group}, {unit}: best (dark) and median"), ("sans-serif", 18))
        .margin(8)
        .x_label_area_size(30)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(0.0..most, (0..count).into_segmented())?;
    let name = |at: &SegmentValue<usize>| match at {
        SegmentValue::CenterOf(at) => {
            let figure = count.checked_sub(at + 1).and_then(|at| figures.get(at));
            figure.map_or_else(String::new, |figure| short(&figure.id).to_owned())
        }
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(count)
        .y_label_formatter(&name)
        .label_style(("sans-serif", 12))
        .draw()?;
    for (at, figure) in figures.iter().rev().enumerate() {
        let bar = |value: f64, color: RGBColor| {
            let (low, high) = (SegmentValue::Exact(at), SegmentValue::Exact(at + 1));
            let mut bar = Rectangle::new([(0.0, low), (value.max(0.0), high)], color.filled());
            bar.set_margin(3, 3, 0, 0);
            bar
        };
        let (best, median) = (figure.best(), figure.median());
        let (long, short) = (best.max(median), best.min(median));
        let (first, second) = if best > median { (DARK, LIGHT) } else { (LIGHT, DARK) };
        chart.draw_series([bar(long, first), bar(short, second)])?;
    }
    area.present()?;
    Ok(())
}

const DARK: RGBColor = RGBColor(31, 78, 121);
const LIGHT: RGBColor = RGBColor(157, 195, 230);

/// An id without its group.
fn short(id: &str) -> &str {
    id.split_once('/').map_or(id, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{figure::Unit, machine::Machine, noise::Noise};

    #[test]
    fn a_plot_a_unit_with_a_bar_and_a_name_a_figure() {
        let figure = |id: &str, unit| Figure { samples: vec![7.0], ..Figure::new(id, id, unit) };
        let figures = vec![
            figure("packet/pass", Unit::NsPerPacket),
            figure("packet/entry/tcp", Unit::NsPerPacket),
            figure("packet/size", Unit::Bytes),
            figure("rate/drop", Unit::Kpps),
        ];
        let about = (Machine::look(), Noise::default());
        let report = Report::new(about, (1, true), &[], (figures, Vec::new()));
        let plots = plots(&report, "packet").expect("plots");
        let names: Vec<_> = plots.iter().map(|plot| plot.name.as_str()).collect();
        assert_eq!(names, ["packet-B", "packet-ns-per-packet"]);
        assert!(plots[1].svg.contains("entry/tcp") && !plots[1].svg.contains("drop"));
    }
}
