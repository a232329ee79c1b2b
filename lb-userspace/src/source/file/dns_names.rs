//! Names that tasks look up: those of networks, services and tasks. They must be host names
//! (RFC 1123, 2.1; `_` as in Docker), mean one thing each however their letters are written, and
//! leave alone what the resolver or programs give another meaning.
//!
//! A service and a task never share a name: `web` is the service's virtual IP, and a task called so
//! would be out of reach. Aliases may be shared, so only their spelling is checked.

use std::collections::HashMap;

use super::{
    entry::{FileEntry, ServiceEntry},
    report::{At, Report},
};

/// Something in the file that has a name.
type Named<'a> = (&'static str, &'a At<String>);

/// Checks the names of networks, services and tasks.
pub(super) fn check(file: &FileEntry, report: &mut Report) {
    let networks: Vec<Named<'_>> = file.networks.iter().map(|net| ("network", &net.name)).collect();
    let owners: Vec<Named<'_>> = file.services.iter().flat_map(owners).collect();
    let aliases = || file.services.iter().flat_map(|service| &service.aliases);
    let looked_up = || owners.iter().map(|(_, name)| *name).chain(aliases());
    for name in networks.iter().map(|(_, name)| *name).chain(looked_up()) {
        spelling(name, report);
    }
    looked_up().for_each(|name| reserved(name, report));
    let _: Known<'_> = once(&networks, report);
    let known = once(&owners, report);
    for service in &file.services {
        ambiguous(service, &known, report);
    }
}

/// A service and its tasks.
fn owners(service: &ServiceEntry) -> impl Iterator<Item = Named<'_>> {
    let tasks = service.tasks.iter().map(|task| ("task", &task.name));
    std::iter::once(("service", &service.name)).chain(tasks)
}

/// What has been said of a name's characters is not repeated.
fn spelling(name: &At<String>, report: &mut Report) {
    let text = name.value.as_str();
    let is_wrong = |label: &str| label.is_empty() || label.starts_with('-') || label.ends_with('-');
    if !text.is_empty() && text.split('.').any(is_wrong) {
        let message = format!("{text:?} is no host name");
        report.add(&name.place, message, "write no '.' or '-' at an end or beside a '.'");
    } else if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        let message = format!("{text:?} reads as an address, which nobody looks up");
        report.add(&name.place, message, "begin it with a letter");
    }
}

fn reserved(name: &At<String>, report: &mut Report) {
    let lower = name.value.to_ascii_lowercase();
    let meaning = match lower.as_str() {
        "localhost" => "every task itself",
        lower if lower == "tasks" || lower.starts_with("tasks.") => "all tasks of a service",
        _ => return,
    };
    let message = format!("{:?} means {meaning} in names", name.value);
    report.add(&name.place, message, "rename it");
}

/// The first owner of each name, in small letters.
type Known<'a> = HashMap<String, Named<'a>>;

/// Reports names that differ by their letters' case or their owner's kind only; what is alike in both
/// has been reported.
fn once<'a>(named: &[Named<'a>], report: &mut Report) -> Known<'a> {
    let mut known: Known<'_> = HashMap::new();
    for &(kind, name) in named {
        let (first, other) = *known.entry(name.value.to_ascii_lowercase()).or_insert((kind, name));
        if std::ptr::eq(other, name) || (first, &other.value) == (kind, &name.value) {
            continue;
        }
        let message =
            format!("a {first} is called {:?} in line {}, too", other.value, other.place.line);
        report.add(&name.place, message, "rename one of them: names do not tell them apart");
    }
    known
}

/// `web.net` is what `web` is in network `net`, so nothing else may be called that.
fn ambiguous(service: &ServiceEntry, known: &Known<'_>, report: &mut Report) {
    for (kind, name) in owners(service) {
        for network in &service.networks {
            let qualified = format!("{}.{}", name.value, network.value).to_ascii_lowercase();
            let Some((_, other)) = known.get(&qualified) else { continue };
            let message = format!(
                "{:?} is also {kind} {:?} (line {}) in network {:?}",
                other.value, name.value, name.place.line, network.value
            );
            report.add(&other.place, message, "rename one of them");
        }
    }
}
