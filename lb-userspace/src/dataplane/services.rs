//! Writes one service: its rows, its backends, its head. The order of writes within one change is
//! decided here, the order of changes in `plan`.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::{
    backend::Backend,
    info::{ServiceInfo, TaskInfo, TaskKey, pack_name},
    leg::leg_index,
    row::{BackendNumber, Row},
    service::{Range, Service},
};

use super::{apply::ApplyError, executor::Executor, maps::MapsError, state::found};
use crate::compile::BackendContents;

/// Words of a [`Service`], which are stored one by one: the packet path advances `rr_next`.
mod word {
    pub(super) const ROWS: usize = 0;
    pub(super) const BACKENDS: usize = 1;
    pub(super) const HEAD: usize = 2;
    pub(super) const RR_NEXT: usize = 3;
    pub(super) const QUIET_UNTIL: usize = 4;
}

impl Executor<'_> {
    /// Writes all rows into a new range, then stores the range.
    pub(super) fn set_rows(&mut self, service: u16, rows: &[Row]) -> Result<(), ApplyError> {
        let old = Range::unpack(self.service(service).rows);
        let Some(log2) = log2_of(rows.len()) else {
            self.set_service_word(service, word::ROWS, 0)?;
            self.release_rows(old);
            return Ok(());
        };
        let range = self.new_rows(log2, old)?;
        for (index, &row) in (range.base..).zip(rows) {
            self.writes +=
                usize::from(self.maps.rows.set(index, row).map_err(MapsError::range("ROWS"))?);
        }
        self.set_service_word(service, word::ROWS, range.pack())?;
        self.release_rows(old);
        Ok(())
    }

    /// Writes these backends: in place where the range has their numbers, else into a bigger copy.
    pub(super) fn set_backends(
        &mut self,
        service: u16,
        backends: &BTreeMap<BackendNumber, BackendContents>,
    ) -> Result<(), ApplyError> {
        let Some(&highest) = backends.keys().next_back() else { return Ok(()) };
        for (&number, backend) in backends {
            self.set_task(TaskKey { service, backend: number }, backend)?;
        }
        let old = Range::unpack(self.service(service).backends);
        if let Some(range) = old.filter(|range| range.at(highest.into()).is_some()) {
            return self.write_backends(range, backends);
        }
        let range = self.copy_backends(service, old, highest)?;
        self.write_backends(range, backends)?;
        self.set_service_word(service, word::BACKENDS, range.pack())?;
        self.release_backends(old);
        Ok(())
    }

    /// Sets these backends to no state, keeping each one's generation, and forgets the tasks.
    pub(super) fn remove_backends(
        &mut self,
        service: u16,
        numbers: &BTreeSet<BackendNumber>,
    ) -> Result<(), ApplyError> {
        let range = Range::unpack(self.service(service).backends);
        for &number in numbers {
            if let Some(index) = range.and_then(|range| range.at(number.into())) {
                let generation = self.maps.backends.get(index).unwrap_or_default().generation;
                let gone = Backend { generation, ..Default::default() };
                let written =
                    self.maps.backends.unset(index, gone).map_err(MapsError::range("BACKENDS"))?;
                self.writes += usize::from(written);
            }
            self.forget_task(TaskKey { service, backend: number })?;
        }
        Ok(())
    }

    /// Writes the name, then seed, flags and scheduler in one word: from here on the service is there.
    pub(super) fn set_service(
        &mut self,
        service: u16,
        name: &str,
        head: Service,
    ) -> Result<(), ApplyError> {
        let key = u32::from(service);
        let info = ServiceInfo { name: pack_name(name) };
        if found(self.maps.service_info.get(&key, 0), "SERVICE_INFO")? != Some(info) {
            self.maps
                .service_info
                .insert(key, info, 0)
                .map_err(MapsError::element("insert", "SERVICE_INFO"))?;
            self.writes += 1;
        }
        self.set_service_word(service, word::HEAD, head_word(&head))
    }

    /// Zeroes the element, releases both ranges and forgets the names.
    pub(super) fn remove_service(&mut self, service: u16) -> Result<(), ApplyError> {
        let held = self.service(service);
        let tasks: Vec<_> =
            self.maps.backends_of(&held).map(|(backend, _)| TaskKey { service, backend }).collect();
        for word in [word::ROWS, word::HEAD, word::BACKENDS, word::RR_NEXT, word::QUIET_UNTIL] {
            self.set_service_word(service, word, 0)?;
        }
        self.release_rows(Range::unpack(held.rows));
        self.release_backends(Range::unpack(held.backends));
        tasks.into_iter().try_for_each(|key| self.forget_task(key))?;
        self.forget_service(service.into())
    }

    /// Until then segments that belong nowhere are dropped silently: other nodes may lag behind.
    pub(super) fn set_quiet_until(
        &mut self,
        service: u16,
        quiet_until_ns: u64,
    ) -> Result<(), ApplyError> {
        self.maps
            .services
            .set_word(service.into(), word::QUIET_UNTIL, quiet_until_ns)
            .map_err(MapsError::range("SERVICES"))?;
        Ok(())
    }

    fn service(&self, service: u16) -> Service {
        self.maps.services.get(service.into()).unwrap_or_default()
    }

    fn set_service_word(
        &mut self,
        service: u16,
        word: usize,
        value: u64,
    ) -> Result<(), ApplyError> {
        let written = self.maps.services.set_word(service.into(), word, value);
        self.writes += usize::from(written.map_err(MapsError::range("SERVICES"))?);
        Ok(())
    }

    /// A range for numbers up to `highest`, with what `old` holds.
    fn copy_backends(
        &mut self,
        service: u16,
        old: Option<Range>,
        highest: BackendNumber,
    ) -> Result<Range, ApplyError> {
        let log2 = log2_of(usize::from(highest) + 1).unwrap_or_default();
        let range = self.new_backends(log2, old)?;
        let held: BTreeMap<_, _> = self.maps.backends_of(&self.service(service)).collect();
        for offset in 0..range.len() {
            let backend = held.get(&(offset as u16)).copied().unwrap_or_default();
            self.write_backend(range.base + offset, backend)?;
        }
        Ok(range)
    }

    fn write_backends(
        &mut self,
        range: Range,
        backends: &BTreeMap<BackendNumber, BackendContents>,
    ) -> Result<(), ApplyError> {
        let at = |number: BackendNumber| range.at(number.into());
        backends
            .iter()
            .filter_map(|(&number, contents)| Some((at(number)?, contents)))
            .try_for_each(|(index, contents)| self.write_backend(index, element(contents)))
    }

    /// Writes a backend that comes: its address is there before its state is.
    fn write_backend(&mut self, index: u32, backend: Backend) -> Result<(), ApplyError> {
        let written =
            self.maps.backends.set(index, backend).map_err(MapsError::range("BACKENDS"))?;
        self.writes += usize::from(written);
        Ok(())
    }

    fn set_task(&mut self, key: TaskKey, backend: &BackendContents) -> Result<(), ApplyError> {
        let info = TaskInfo {
            name: pack_name(&backend.task),
            node: pack_name(&backend.node),
            addr: backend.leg.unwrap_or_default(),
            weight: backend.weight,
            state: backend.state,
            reserved: 0,
        };
        if found(self.maps.task_info.get(&key, 0), "TASK_INFO")? != Some(info) {
            self.maps
                .task_info
                .insert(key, info, 0)
                .map_err(MapsError::element("insert", "TASK_INFO"))?;
            self.writes += 1;
        }
        Ok(())
    }
}

fn element(contents: &BackendContents) -> Backend {
    Backend {
        node: contents.peer,
        leg: contents.leg.map_or(0, leg_index),
        state: contents.state,
        generation: contents.generation,
        flags: contents.flags,
        addr: contents.addr,
        reserved2: 0,
    }
}

/// The word that seed, scheduler and flags share.
fn head_word(service: &Service) -> u64 {
    u64::from(service.seed) | u64::from(service.scheduler) << 32 | u64::from(service.flags) << 40
}

/// log2 of the smallest power of two that is at least `len`; `None` for 0.
fn log2_of(len: usize) -> Option<u8> {
    (len > 0).then(|| len.next_power_of_two().trailing_zeros() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_at_least_what_is_asked_for() {
        assert_eq!(
            [0, 1, 2, 3, 256, 257].map(log2_of),
            [None, Some(0), Some(1), Some(2), Some(8), Some(9)]
        );
    }

    #[test]
    fn a_backend_without_a_leg_has_leg_0() {
        let contents = BackendContents {
            task: "web.1".into(),
            node: "n1".into(),
            peer: 3,
            leg: None,
            addr: [0; 4],
            flags: 0,
            state: 1,
            weight: 1,
            generation: 2,
        };
        assert_eq!(
            element(&contents),
            Backend { node: 3, state: 1, generation: 2, ..Default::default() }
        );
        let contents = BackendContents { leg: Some([10, 0, 1, 2]), ..contents };
        assert_eq!(element(&contents).leg, 0x0102);
    }
}
