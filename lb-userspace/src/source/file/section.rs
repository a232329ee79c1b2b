//! One table of the file, read field by field: each getter gives the value with its place, or puts
//! an error into the report and goes on, so that one run finds all of them.

use std::{fmt::Display, net::Ipv4Addr, ops::RangeInclusive};

use lb_common::addr::Mac;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    report::{At, Place, Report},
    suggest::did_you_mean,
    values::{address_of, mac_of, subnet_of},
};
use crate::model::Subnet;

/// A table of the file and the report that its errors go to.
#[derive(Debug)]
pub(super) struct Section<'a, 't, 'i> {
    table: &'t DeTable<'i>,
    pub(super) place: Place,
    pub(super) report: &'a mut Report,
}

/// Values by the name of a network, in file order.
pub(super) type ByNetwork<T> = Vec<(String, At<T>)>;

/// A table that stands somewhere, not opened yet.
#[derive(Debug)]
pub(super) struct Unread<'t, 'i> {
    pub(super) table: &'t DeTable<'i>,
    pub(super) place: Place,
}

impl<'t, 'i> Unread<'t, 'i> {
    /// Opens the table; keys that are not in `known` are errors.
    pub(super) fn open<'a>(self, known: &[&str], report: &'a mut Report) -> Section<'a, 't, 'i> {
        for key in self.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let place = self.place.key(report.line(key.span()), key.get_ref());
            let fix = did_you_mean(key.get_ref(), known.iter().copied());
            report.add(&place, "unknown key", fix);
        }
        Section { table: self.table, place: self.place, report }
    }

    /// The same table under the name that its own `name` key gives it: `service "web"`.
    pub(super) fn named(self, kind: &str) -> Self {
        let name = self.table.get("name").and_then(|name| name.get_ref().as_str());
        let Some(name) = name else { return self };
        Self { place: Place::entry(self.place.line, format!("{kind} {name:?}")), ..self }
    }
}

impl<'t, 'i> Section<'_, 't, 'i> {
    /// Whether the key is there, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where the key stands; the table's place if it is not there.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.value(key).map_or_else(|| self.place.clone(), |value| value.place)
    }

    /// Whether the key is a list without elements.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        self.value(key).and_then(|value| value.value.as_array()).is_some_and(|list| list.is_empty())
    }

    /// A default, which stands where the table does.
    pub(super) fn default<T>(&self, value: T) -> At<T> {
        At { value, place: self.place.clone() }
    }

    /// A string that must be there.
    pub(super) fn required_string(&mut self, key: &str) -> Option<At<String>> {
        if !self.has(key) {
            let message = format!("{key} is missing");
            self.report.add(&self.place, message, format!("add {key} = \"...\""));
        }
        self.string(key)
    }

    /// A string.
    pub(super) fn string(&mut self, key: &str) -> Option<At<String>> {
        let value = self.value(key)?;
        string_of(&value, self.report)
    }

    /// A list of strings; empty when left out.
    pub(super) fn strings(&mut self, key: &str) -> Vec<At<String>> {
        let elements = self.elements(key, "a list of strings, such as [\"a\", \"b\"]");
        elements.iter().filter_map(|element| string_of(element, self.report)).collect()
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str) -> Option<At<bool>> {
        let value = self.value(key)?;
        match value.value.as_bool() {
            Some(flag) => Some(At { value: flag, place: value.place }),
            None => wrong_type(&value, "true or false", self.report),
        }
    }

    /// A whole number within `range`.
    pub(super) fn integer<T>(&mut self, key: &str, range: RangeInclusive<T>) -> Option<At<T>>
    where
        T: Copy + Display + PartialOrd + TryFrom<i128>,
    {
        let value = self.value(key)?;
        let Some(digits) = value.value.as_integer() else {
            return wrong_type(&value, "a whole number", self.report);
        };
        let number = i128::from_str_radix(digits.as_str(), digits.radix()).ok();
        match number.and_then(|number| T::try_from(number).ok()).filter(|n| range.contains(n)) {
            Some(number) => Some(At { value: number, place: value.place }),
            None => {
                let fix = format!("write a number from {} to {}", range.start(), range.end());
                self.report.add(&value.place, format!("{digits} is out of range"), fix);
                None
            }
        }
    }

    /// One of several words, each with its meaning.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<At<T>> {
        let text = self.string(key)?;
        match words.iter().find(|(word, _)| *word == text.value) {
            Some((_, meaning)) => Some(At { value: *meaning, place: text.place }),
            None => {
                let fix = did_you_mean(&text.value, words.iter().map(|(word, _)| *word));
                self.report.add(&text.place, format!("{:?} is not known here", text.value), fix);
                None
            }
        }
    }

    /// An IPv4 address.
    pub(super) fn address(&mut self, key: &str) -> Option<At<Ipv4Addr>> {
        let text = self.string(key)?;
        address_of(text, self.report)
    }

    /// An IPv4 address that must be there.
    pub(super) fn required_address(&mut self, key: &str) -> Option<At<Ipv4Addr>> {
        let text = self.required_string(key)?;
        address_of(text, self.report)
    }

    /// A subnet in CIDR notation whose prefix length is within `prefixes`.
    pub(super) fn subnet(&mut self, key: &str, prefixes: RangeInclusive<u8>) -> Option<At<Subnet>> {
        let text = self.string(key)?;
        match subnet_of(&text.value, &prefixes) {
            Ok(subnet) => Some(At { value: subnet, place: text.place }),
            Err((message, fix)) => {
                self.report.add(&text.place, message, fix);
                None
            }
        }
    }

    /// A table of addresses by name: `{ net = "10.0.0.2" }`; empty when left out.
    pub(super) fn addresses(&mut self, key: &str) -> ByNetwork<Ipv4Addr> {
        let expected = "a table of addresses by network, such as { net = \"10.0.0.2\" }";
        self.by_name(key, expected, address_of)
    }

    /// A table of Ethernet addresses by name; empty when left out.
    pub(super) fn macs(&mut self, key: &str) -> ByNetwork<Mac> {
        let expected =
            "a table of Ethernet addresses by network, such as { net = \"02:00:00:00:00:02\" }";
        self.by_name(key, expected, mac_of)
    }

    fn by_name<T>(
        &mut self,
        key: &str,
        expected: &str,
        read: fn(At<String>, &mut Report) -> Option<At<T>>,
    ) -> ByNetwork<T> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(table) = value.value.as_table() else {
            wrong_type::<()>(&value, expected, self.report);
            return Vec::new();
        };
        let mut values = Vec::with_capacity(table.len());
        for (name, element) in table.iter() {
            let place = value.place.key(self.report.line(element.span()), name.get_ref());
            let text = string_of(&at(element, place), self.report);
            let read = text.and_then(|text| read(text, self.report));
            values.extend(read.map(|read| (name.get_ref().to_string(), read)));
        }
        values
    }

    /// A table; `None` when left out.
    pub(super) fn table(&mut self, key: &str) -> Option<Unread<'t, 'i>> {
        let value = self.value(key)?;
        table_of(&value, self.report)
    }

    /// A list of tables, `[[key]]` or `[{ .. }]`; empty when left out.
    pub(super) fn tables(&mut self, key: &str) -> Vec<Unread<'t, 'i>> {
        let elements = self.elements(key, "a list of tables");
        elements.iter().filter_map(|element| table_of(element, self.report)).collect()
    }

    fn value(&self, key: &str) -> Option<At<&'t DeValue<'i>>> {
        let value = self.table.get(key)?;
        Some(at(value, self.place.key(self.report.line(value.span()), key)))
    }

    fn elements(&mut self, key: &str, expected: &str) -> Vec<At<&'t DeValue<'i>>> {
        let Some(list) = self.value(key) else { return Vec::new() };
        let Some(elements) = list.value.as_array() else {
            wrong_type::<()>(&list, expected, self.report);
            return Vec::new();
        };
        let place = |i, span| list.place.index(self.report.line(span), i);
        elements
            .iter()
            .enumerate()
            .map(|(i, element)| at(element, place(i, element.span())))
            .collect()
    }
}

fn at<'t, 'i>(value: &'t Spanned<DeValue<'i>>, place: Place) -> At<&'t DeValue<'i>> {
    At { value: value.get_ref(), place }
}

fn wrong_type<T>(value: &At<&DeValue<'_>>, expected: &str, report: &mut Report) -> Option<T> {
    let message = format!("a value of type {} does not fit here", value.value.type_str());
    report.add(&value.place, message, format!("write {expected}"));
    None
}

fn string_of(value: &At<&DeValue<'_>>, report: &mut Report) -> Option<At<String>> {
    match value.value.as_str() {
        Some(text) => Some(At { value: text.to_owned(), place: value.place.clone() }),
        None => wrong_type(value, "a string in quotes", report),
    }
}

fn table_of<'t, 'i>(value: &At<&'t DeValue<'i>>, report: &mut Report) -> Option<Unread<'t, 'i>> {
    match value.value.as_table() {
        Some(table) => Some(Unread { table, place: value.place.clone() }),
        None => wrong_type(value, "a table", report),
    }
}
