//! One shape for everything that is shown: a value that serialises with stable field names and
//! that can also be laid out as text for people.
use comfy_table::{CellAlignment, Table, presets};
use lb_common::addr::Mac;
use serde::Serialize;

/// Something that `--output table` and `--output json` can show.
pub trait View: Serialize {
    /// Text for people, at most about 100 columns wide, without a final line break.
    fn text(&self) -> String;
}

/// A table without borders under `header`.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header.iter().copied());
    table
}

/// The table as lines without leading or trailing blanks; columns in `right` are numbers.
pub(super) fn lines(mut table: Table, right: &[usize]) -> String {
    for &column in right {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.trim_fmt()
}

/// `bytes` with a binary unit, at most five characters and the unit.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut scaled = bytes;
    while scaled >= 10 * 1024 && unit + 1 < UNITS.len() {
        scaled /= 1024;
        unit += 1;
    }
    format!("{scaled} {}", UNITS.get(unit).copied().unwrap_or_default())
}

/// An Ethernet address, `02:42:0a:14:00:0b`.
pub(super) fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// `part` of `whole` in per cent, one decimal; 0 of nothing.
pub(super) fn percent(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { (f64::from(part) * 1000.0 / f64::from(whole)).round() / 10.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_two_digits_or_more() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(10 * 1024), "10 KiB");
        assert_eq!(bytes(32 << 20), "32 MiB");
        assert_eq!(bytes(u64::MAX), "16777215 TiB");
    }

    #[test]
    fn percent_of_nothing_is_nothing() {
        assert_eq!(percent(1, 3), 33.3);
        assert_eq!(percent(5, 0), 0.0);
    }

    #[test]
    fn tables_have_no_borders() {
        let mut table = table(&["NAME", "N"]);
        table.add_row(["a-long-name", "7"]);
        assert_eq!(lines(table, &[1]), "NAME         N\na-long-name  7");
    }
}
