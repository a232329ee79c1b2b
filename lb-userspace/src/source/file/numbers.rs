//! Backend numbers: given, or the offset of the task's address in its subnet of the service's first
//! network, or derived from the name where there is no network; unique in each service.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
};

use super::{
    addresses::Assigned,
    entry::{ServiceEntry, TaskEntry},
    report::Report,
};
use crate::{model::Network, source::derive};

/// The number of a task; `None` where an error has been reported. `first` is the service's first
/// network, if it has one, and `None` in it if that is wrong.
pub(super) fn of_task(
    task: &TaskEntry,
    first: Option<Option<&Network>>,
    addresses: &BTreeMap<String, Ipv4Addr>,
    report: &mut Report,
) -> Option<u16> {
    if let Some(number) = &task.number {
        return Some(number.value);
    }
    let Some(network) = first else { return Some(derive::number_of_name(&task.name.value)) };
    let network = network?;
    let address = *addresses.get(&network.name)?;
    let number = derive::number_of_address(network.subnet_of(address)?.subnet, address);
    if number.is_none() {
        let message =
            format!("its address {address} is too far into the subnet for a backend number");
        report.add(&task.name.place, message, "add number = N, unique in the service");
    }
    number
}

/// Reports two tasks of one service with one number, unless that follows from one name or one
/// address, which has been reported.
pub(super) fn unique(service: &ServiceEntry, assigned: &Assigned, report: &mut Report) {
    let mut first: HashMap<u16, (&TaskEntry, Option<Ipv4Addr>)> = HashMap::new();
    for (task, given) in service.tasks.iter().zip(&assigned.tasks) {
        let Some(number) = given.number else { continue };
        let network = service.networks.first().filter(|_| task.number.is_none());
        let source = network.and_then(|network| given.addresses.get(&network.value)).copied();
        let Some((earlier, earlier_source)) = first.get(&number) else {
            first.insert(number, (task, source));
            continue;
        };
        let one_address = source.is_some() && source == *earlier_source;
        if task.name.value == earlier.name.value || one_address {
            continue;
        }
        let place = task.number.as_ref().map_or(&task.name.place, |number| &number.place);
        let owner = earlier.name.place.reference();
        let message = format!("its backend number {number} is also that of {owner}");
        report.add(place, message, "give one of them another: number = N");
    }
}
