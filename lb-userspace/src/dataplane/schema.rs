//! Compares pinned maps with what the object declares, before they are reused: a reused map of
//! another shape would be read and written with wrong sizes (aya takes any pin as it is).

use std::{collections::BTreeMap, path::PathBuf};

use aya::maps::{MapError, MapInfo, MapType};
use aya_obj::{
    EbpfSectionKind,
    generated::{BPF_F_RDONLY_PROG, bpf_map_type},
};

use super::pins::Pins;

/// A map's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapSchema {
    /// `BPF_MAP_TYPE_*`.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Capacity.
    pub max_entries: u32,
    /// `BPF_F_*` given at creation.
    pub flags: u32,
}

/// Why the pinned maps cannot be reused.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The object is no BPF object.
    #[error("the BPF object cannot be parsed: {0}")]
    Parse(#[from] aya_obj::ParseError),
    /// A pin cannot be opened as a map.
    #[error(
        "the pin {path:?} cannot be opened as a map: {source}; remove it with `swarmlb detach --pin-root {root}`"
    )]
    Open {
        /// The pin.
        path: PathBuf,
        /// The pin root.
        root: String,
        /// Why.
        source: Box<MapError>,
    },
    /// A pinned map has another shape than the object declares.
    #[error(
        "the pinned map {path:?} has {field} {found}, this version of swarmlb expects {expected}; remove the old data \
         plane with `swarmlb detach --pin-root {root}` and start again"
    )]
    Mismatch {
        /// The pin.
        path: PathBuf,
        /// The pin root.
        root: String,
        /// Which property differs.
        field: &'static str,
        /// As pinned.
        found: String,
        /// As declared.
        expected: String,
    },
}

/// The maps that the object declares and that get pinned, by name.
///
/// # Errors
/// [`SchemaError::Parse`].
pub(super) fn declared(object: &[u8]) -> Result<BTreeMap<String, MapSchema>, SchemaError> {
    let object = aya_obj::Object::parse(object)?;
    let pinned =
        object.maps.iter().filter(|(_, map)| map.section_kind() == EbpfSectionKind::BtfMaps);
    Ok(pinned.map(|(name, map)| (name.clone(), MapSchema::of_declaration(map))).collect())
}

/// Checks each existing pin against its declaration; pins that do not exist are fine.
///
/// # Errors
/// [`SchemaError`] of the first map that differs.
pub(super) fn check(
    pins: &Pins,
    declared: &BTreeMap<String, MapSchema>,
) -> Result<(), SchemaError> {
    let existing = declared.iter().filter(|(name, _)| pins.map(name).exists());
    existing.into_iter().try_for_each(|(name, expected)| check_one(pins, name, expected))
}

fn check_one(pins: &Pins, name: &str, expected: &MapSchema) -> Result<(), SchemaError> {
    let (path, root) = (pins.map(name), pins.root().display().to_string());
    let info = match MapInfo::from_pin(&path) {
        Err(source) => return Err(SchemaError::Open { path, root, source: Box::new(source) }),
        Ok(info) => info,
    };
    match expected.difference(&MapSchema::of_pin(&info)) {
        None => Ok(()),
        Some((field, found, expected)) => {
            Err(SchemaError::Mismatch { path, root, field, found, expected })
        }
    }
}

impl MapSchema {
    fn of_declaration(map: &aya_obj::Map) -> Self {
        Self {
            map_type: map.map_type(),
            key_size: map.key_size(),
            value_size: map.value_size(),
            max_entries: map.max_entries(),
            flags: map.map_flags(),
        }
    }

    fn of_pin(info: &MapInfo) -> Self {
        let map_type = info.map_type().map_or(0, |kind| kind as u32);
        // The kernel sets this flag on device maps itself.
        let device = map_type == bpf_map_type::BPF_MAP_TYPE_DEVMAP_HASH as u32;
        let own_flags = if device { BPF_F_RDONLY_PROG } else { 0 };
        Self {
            map_type,
            key_size: info.key_size(),
            value_size: info.value_size(),
            max_entries: info.max_entries(),
            flags: info.map_flags() & !own_flags,
        }
    }

    /// The first property in which `found` differs: its name, as found, as expected.
    fn difference(&self, found: &Self) -> Option<(&'static str, String, String)> {
        if self.map_type != found.map_type {
            return Some(("type", type_name(found.map_type), type_name(self.map_type)));
        }
        let fields = [
            ("key size", found.key_size, self.key_size),
            ("value size", found.value_size, self.value_size),
            ("max entries", found.max_entries, self.max_entries),
            ("flags", found.flags, self.flags),
        ];
        let differing = fields.into_iter().find(|(_, found, expected)| found != expected);
        differing.map(|(field, found, expected)| (field, found.to_string(), expected.to_string()))
    }
}

fn type_name(map_type: u32) -> String {
    let known = bpf_map_type::try_from(map_type).ok().and_then(|kind| MapType::try_from(kind).ok());
    known.map_or_else(|| format!("number {map_type}"), |kind| format!("{kind:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataplane::Object;

    #[test]
    fn the_embedded_object_declares_what_user_space_writes() {
        let bytes = Object::Embedded.bytes().expect("embedded");
        let maps = declared(&bytes).expect("an object");
        let rows = maps.get("ROWS").expect("ROWS is declared");
        assert_eq!(
            (rows.key_size, rows.value_size, rows.max_entries),
            (4, 8, lb_common::row::ROWS_LEN)
        );
        assert!(maps.values().all(|map| map.max_entries > 0), "{maps:?}");
    }

    #[test]
    fn a_difference_names_the_field_and_both_sides() {
        let ours = MapSchema { map_type: 1, key_size: 4, value_size: 16, max_entries: 8, flags: 0 };
        assert_eq!(ours.difference(&ours), None);
        let theirs = MapSchema { value_size: 8, ..ours };
        assert_eq!(ours.difference(&theirs), Some(("value size", "8".into(), "16".into())));
        let theirs = MapSchema { map_type: 2, ..theirs };
        assert_eq!(ours.difference(&theirs), Some(("type", "Array".into(), "Hash".into())));
    }
}
