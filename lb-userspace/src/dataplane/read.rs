//! Reads maps that the packet path writes, by their pins, typed and never changed: flows, counters.
//! For `observe`; the maps that the agent writes are in [`super::Maps`].

use std::{collections::HashMap, hash::Hash};

use aya::{
    Pod,
    maps::{HashMap as BpfHashMap, MapError, PerCpuArray},
};

use super::{
    maps::{MapsError, opened},
    pins::Pins,
};

impl Pins {
    /// All entries of the hash map `name`. The kernel's walk begins anew where an entry vanishes
    /// under it, so it is bounded by twice the map's capacity, and what comes twice counts once.
    ///
    /// # Errors
    /// [`MapsError`], for one where the map has other types.
    pub fn entries<K: Pod + Eq + Hash, V: Pod>(
        &self,
        name: &'static str,
    ) -> Result<HashMap<K, V>, MapsError> {
        let most = self.capacity(name)? as usize * 2;
        let map: BpfHashMap<_, K, V> = opened(self, name, BpfHashMap::try_from)?;
        map.iter().take(most).collect::<Result<_, _>>().map_err(MapsError::element("list", name))
    }

    /// Each CPU's values of these elements of the per-CPU array `name`.
    ///
    /// # Errors
    /// [`MapsError`], for one where the map has another type.
    pub fn per_cpu<V: Pod>(
        &self,
        name: &'static str,
        indices: impl IntoIterator<Item = u32>,
    ) -> Result<Vec<Vec<V>>, MapsError> {
        let map: PerCpuArray<_, V> = opened(self, name, PerCpuArray::try_from)?;
        let values = indices.into_iter().map(|index| Ok(map.get(&index, 0)?.to_vec()));
        values.collect::<Result<_, MapError>>().map_err(MapsError::element("read", name))
    }

    fn capacity(&self, name: &'static str) -> Result<u32, MapsError> {
        let info = aya::maps::MapInfo::from_pin(self.map(name));
        info.map(|info| info.max_entries()).map_err(MapsError::element("ask about", name))
    }
}
