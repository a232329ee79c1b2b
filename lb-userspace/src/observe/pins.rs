//! Reads what is pinned under a pin root: maps into plain values, links into names. Never writes.
use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
};

use aya::{
    Pod,
    maps::{Array, HashMap as BpfHashMap, Map, MapData, MapError, PerCpuArray},
    programs::{links, loaded_programs},
};
use lb_common::{
    LAYOUT_VERSION,
    addr::V4,
    backend::Backend,
    drops::DROPS_LEN,
    flow::{
        FlowKey, FlowValue, FragKey, FragValue, NatKey, NatValue, SnatInKey, SnatInValue,
        SnatOutKey, SnatOutValue, SocketKey, SocketValue,
    },
    info::{NodeInfo, ServiceInfo, TaskInfo, TaskKey, unpack_name},
    peer::Peer,
    port::{PORTS_LEN, PublishedPort, TCP, UDP},
    row::{BackendNumber, Row},
    service::{Range, Service},
    stats::ServiceStats,
};

use super::{
    HomeFlow, NodeRecord, ObserveError, PortRecord, ServiceRecord, Snapshot, TaskRecord,
    status::ProgramLine,
};

/// The pins of one data plane.
#[derive(Debug)]
pub struct Pins {
    layout_dir: PathBuf,
}

/// A pinned link.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PinnedLink {
    /// File name of the pin: hook, dash, interface or program.
    pub name: String,
    /// The program that it runs.
    pub program_id: u32,
}

/// How full a map is and what it costs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MapUse {
    /// The map's name.
    pub name: &'static str,
    /// Entries it can hold.
    pub capacity: u32,
    /// Entries it holds; `null` for arrays, whose elements always exist.
    pub entries: Option<u64>,
    /// Kernel memory, bytes.
    pub memory_bytes: u64,
}

impl Pins {
    /// The pins under `root`.
    ///
    /// # Errors
    /// [`ObserveError::NothingPinned`], or [`ObserveError::OtherLayout`] where another version of
    /// swarmlb has pinned its maps.
    pub fn open(root: &Path) -> Result<Self, ObserveError> {
        let layout_dir = root.join(format!("v{LAYOUT_VERSION}"));
        if layout_dir.join("maps").is_dir() {
            return Ok(Self { layout_dir });
        }
        match other_layout(root) {
            Some(found) => Err(ObserveError::OtherLayout { root: root.into(), found }),
            None => Err(ObserveError::NothingPinned { root: root.into() }),
        }
    }

    /// Names, services and published ports.
    ///
    /// # Errors
    /// [`ObserveError::Map`].
    pub fn snapshot(&self) -> Result<Snapshot, ObserveError> {
        Ok(Snapshot {
            services: self.services()?,
            ports: self.ports()?,
            tasks: self.tasks()?,
            nodes: self.nodes()?,
        })
    }

    fn services(&self) -> Result<BTreeMap<u16, ServiceRecord>, ObserveError> {
        let services = self.array::<Service>("SERVICES")?;
        let mut records = BTreeMap::new();
        for (index, info) in self.hash::<u32, ServiceInfo>("SERVICE_INFO")? {
            let service = services.get(&index, 0).map_err(reading("SERVICES"))?;
            let name = unpack_name(&info.name).to_string();
            records.insert(index as u16, ServiceRecord { name, service });
        }
        Ok(records)
    }

    fn ports(&self) -> Result<Vec<PortRecord>, ObserveError> {
        let ports = self.array::<PublishedPort>("PORTS")?;
        let mut records = Vec::new();
        for index in 0..PORTS_LEN {
            let published = ports.get(&index, 0).map_err(reading("PORTS"))?;
            if published.is_published() {
                let proto = if index < PORTS_LEN / 2 { TCP } else { UDP };
                records.push(PortRecord { proto, port: index as u16, published });
            }
        }
        Ok(records)
    }

    fn tasks(&self) -> Result<BTreeMap<(u16, BackendNumber), TaskRecord>, ObserveError> {
        let record = |(key, info): (TaskKey, TaskInfo)| {
            let task = TaskRecord {
                name: unpack_name(&info.name).into(),
                node: unpack_name(&info.node).into(),
                addr: info.addr.into(),
                weight: info.weight,
                state: info.state,
            };
            ((key.service, key.backend), task)
        };
        Ok(self.hash("TASK_INFO")?.into_iter().map(record).collect())
    }

    fn nodes(&self) -> Result<BTreeMap<u16, NodeRecord>, ObserveError> {
        let record = |(index, info): (u32, NodeInfo)| {
            let name = unpack_name(&info.name).into();
            (index as u16, NodeRecord { name, addr: info.addr.into() })
        };
        Ok(self.hash("NODE_INFO")?.into_iter().map(record).collect())
    }

    /// The peers of the snapshot's nodes, by peer index.
    ///
    /// # Errors
    /// [`ObserveError::Map`].
    pub fn peers(&self, snapshot: &Snapshot) -> Result<BTreeMap<u16, Peer>, ObserveError> {
        let peers = self.array::<Peer>("PEERS")?;
        let read = |&index: &u16| peers.get(&u32::from(index), 0).map(|peer| (index, peer));
        snapshot.nodes.keys().map(read).collect::<Result<_, _>>().map_err(reading("PEERS"))
    }

    /// The rows of `service`; empty where it has none.
    ///
    /// # Errors
    /// [`ObserveError::Map`].
    pub fn rows(&self, service: &Service) -> Result<Vec<Row>, ObserveError> {
        let Some(range) = Range::unpack(service.rows) else { return Ok(Vec::new()) };
        let rows = self.array::<Row>("ROWS")?;
        let read = |offset| rows.get(&(range.base + offset), 0);
        (0..range.len()).map(read).collect::<Result<_, _>>().map_err(reading("ROWS"))
    }

    /// The backends of `service` with these numbers.
    ///
    /// # Errors
    /// [`ObserveError::Map`].
    pub fn backends(
        &self,
        service: &Service,
        numbers: impl Iterator<Item = BackendNumber>,
    ) -> Result<BTreeMap<BackendNumber, Backend>, ObserveError> {
        let Some(range) = Range::unpack(service.backends) else { return Ok(BTreeMap::new()) };
        let backends = self.array::<Backend>("BACKENDS")?;
        let at = |number: BackendNumber| range.at(u32::from(number)).map(|index| (number, index));
        let read = |(number, index)| backends.get(&index, 0).map(|backend| (number, backend));
        numbers.filter_map(at).map(read).collect::<Result<_, _>>().map_err(reading("BACKENDS"))
    }

    /// Counters of the snapshot's services, summed over CPUs.
    ///
    /// # Errors
    /// [`ObserveError::Map`].
    pub fn stats(&self, snapshot: &Snapshot) -> Result<BTreeMap<u16, ServiceStats>, ObserveError> {
        let stats = self.per_cpu::<ServiceStats>("STATS")?;
        let read = |&index: &u16| {
            let per_cpu = stats.get(&u32::from(index), 0)?;
            Ok((index, per_cpu.iter().fold(ServiceStats::default(), add_stats)))
        };
        snapshot.services.keys().map(read).collect::<Result<_, _>>().map_err(reading("STATS"))
    }

    /// Drops by reason, summed over CPUs.
    ///
    /// # Errors
    /// [`ObserveError::Map`].
    pub fn drops(&self) -> Result<Vec<u64>, ObserveError> {
        let drops = self.per_cpu::<u64>("DROPS")?;
        let read = |reason| drops.get(&reason, 0).map(|per_cpu| per_cpu.iter().sum());
        (0..DROPS_LEN).map(read).collect::<Result<_, _>>().map_err(reading("DROPS"))
    }

    /// All flows of this node's tasks.
    ///
    /// # Errors
    /// [`ObserveError::Map`].
    pub fn flows(&self) -> Result<Vec<HomeFlow>, ObserveError> {
        let mut flows = HashMap::new();
        for (map, embryo) in [("EMBRYO", true), ("NAT", false)] {
            let entries = self.hash::<NatKey<V4>, NatValue<V4>>(map)?;
            flows.extend(entries.into_iter().map(|(key, value)| (key, (value, embryo))));
        }
        let flow = |(key, (value, embryo))| HomeFlow { key, value, embryo };
        Ok(flows.into_iter().map(flow).collect())
    }

    /// The pinned links by name.
    ///
    /// # Errors
    /// [`ObserveError::List`] and [`ObserveError::Link`].
    pub fn links(&self) -> Result<Vec<PinnedLink>, ObserveError> {
        let mut links = Vec::new();
        for (name, path) in list(&self.layout_dir.join("links"))? {
            let link = links::PinnedLink::from_pin(path).map(links::FdLink::from);
            let info = link.and_then(|link| link.info());
            let program_id = info.map_err(|source| link_error(&name, source))?.program_id();
            links.push(PinnedLink { name, program_id });
        }
        Ok(links)
    }

    /// What the kernel says of the programs that `links` run.
    ///
    /// # Errors
    /// [`ObserveError::Programs`].
    pub fn programs(&self, links: &[PinnedLink]) -> Result<Vec<ProgramLine>, ObserveError> {
        let mut lines = Vec::new();
        for info in loaded_programs() {
            let info = info.map_err(|source| ObserveError::Programs { source })?;
            if links.iter().any(|link| link.program_id == info.id()) {
                lines.push(ProgramLine::from_info(&info));
            }
        }
        Ok(lines)
    }

    /// How full the maps with per-flow state are, and what the large maps cost.
    ///
    /// # Errors
    /// [`ObserveError::Map`].
    pub fn map_use(&self) -> Result<Vec<MapUse>, ObserveError> {
        Ok(vec![
            self.array_use("PORTS")?,
            self.array_use("SERVICES")?,
            self.array_use("ROWS")?,
            self.array_use("BACKENDS")?,
            self.array_use("LEGS")?,
            self.array_use("PEERS")?,
            self.hash_use::<NatKey<V4>, NatValue<V4>>("NAT")?,
            self.hash_use::<NatKey<V4>, NatValue<V4>>("EMBRYO")?,
            self.hash_use::<FlowKey<V4>, FlowValue>("FLOWS")?,
            self.hash_use::<SnatOutKey<V4>, SnatOutValue>("SNAT_OUT")?,
            self.hash_use::<SnatInKey, SnatInValue<V4>>("SNAT_IN")?,
            self.hash_use::<FragKey<V4>, FragValue>("FRAGS")?,
            self.hash_use::<SocketKey<V4>, SocketValue<V4>>("SOCKETS")?,
            self.array_use("STATS")?,
        ])
    }

    fn array_use(&self, name: &'static str) -> Result<MapUse, ObserveError> {
        let data = self.map(name)?;
        let capacity = data.info().map_err(reading(name))?.max_entries();
        Ok(MapUse { name, capacity, entries: None, memory_bytes: memory_bytes(&data) })
    }

    fn hash_use<K: Pod + Eq + std::hash::Hash, V: Pod>(
        &self,
        name: &'static str,
    ) -> Result<MapUse, ObserveError> {
        let entries = self.hash::<K, V>(name)?.len() as u64;
        Ok(MapUse { entries: Some(entries), ..self.array_use(name)? })
    }

    fn map(&self, name: &'static str) -> Result<MapData, ObserveError> {
        MapData::from_pin(self.layout_dir.join("maps").join(name)).map_err(reading(name))
    }

    fn typed(&self, name: &'static str) -> Result<Map, ObserveError> {
        Map::from_map_data(self.map(name)?).map_err(reading(name))
    }

    fn array<V: Pod>(&self, name: &'static str) -> Result<Array<MapData, V>, ObserveError> {
        Array::try_from(self.typed(name)?).map_err(reading(name))
    }

    fn per_cpu<V: Pod>(&self, name: &'static str) -> Result<PerCpuArray<MapData, V>, ObserveError> {
        PerCpuArray::try_from(self.typed(name)?).map_err(reading(name))
    }

    /// All entries of a hash map. The walk restarts where an entry vanishes under it, so it is
    /// bounded by twice the map's capacity and duplicates are merged.
    fn hash<K: Pod + Eq + std::hash::Hash, V: Pod>(
        &self,
        name: &'static str,
    ) -> Result<HashMap<K, V>, ObserveError> {
        let data = self.map(name)?;
        let most = data.info().map_err(reading(name))?.max_entries() as usize * 2;
        let map = Map::from_map_data(data).map_err(reading(name))?;
        let map = BpfHashMap::<_, K, V>::try_from(map).map_err(reading(name))?;
        map.iter().take(most).collect::<Result<_, _>>().map_err(reading(name))
    }
}

fn reading(name: &'static str) -> impl FnOnce(MapError) -> ObserveError {
    move |source| ObserveError::Map { name, source }
}

fn link_error(name: &str, source: links::LinkError) -> ObserveError {
    ObserveError::Link { name: name.into(), source }
}

/// Files of a directory by name, sorted; none where it does not exist.
fn list(path: &Path) -> Result<BTreeMap<String, PathBuf>, ObserveError> {
    let failed = |source| ObserveError::List { path: path.into(), source };
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries.map_err(failed)?,
    };
    let named = |entry: fs::DirEntry| (entry.file_name().to_string_lossy().into(), entry.path());
    entries.map(|entry| entry.map(named)).collect::<Result<_, _>>().map_err(failed)
}

fn other_layout(root: &Path) -> Option<String> {
    let is_layout =
        |name: &String| name.strip_prefix('v').is_some_and(|n| n.parse::<u32>().is_ok());
    list(root).ok()?.into_keys().find(is_layout)
}

fn add_stats(sum: ServiceStats, cpu: &ServiceStats) -> ServiceStats {
    ServiceStats {
        entry_packets: sum.entry_packets + cpu.entry_packets,
        entry_bytes: sum.entry_bytes + cpu.entry_bytes,
        entry_flows: sum.entry_flows + cpu.entry_flows,
        home_packets: sum.home_packets + cpu.home_packets,
        reply_packets: sum.reply_packets + cpu.reply_packets,
        reply_bytes: sum.reply_bytes + cpu.reply_bytes,
        second_chances: sum.second_chances + cpu.second_chances,
        rebuilt: sum.rebuilt + cpu.rebuilt,
    }
}

/// Kernel memory of a map as `/proc/self/fdinfo` has it, 0 where it does not say.
fn memory_bytes(data: &MapData) -> u64 {
    let path = format!("/proc/self/fdinfo/{}", data.fd().as_fd().as_raw_fd());
    let text = fs::read_to_string(path).unwrap_or_default();
    let memlock = text.lines().find_map(|line| line.strip_prefix("memlock:"));
    memlock.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_root_holds_nothing() {
        let root = tempfile::tempdir().unwrap();
        let error = Pins::open(root.path()).unwrap_err();
        assert!(matches!(error, ObserveError::NothingPinned { .. }), "{error}");
    }

    #[test]
    fn pins_of_another_layout_are_named_with_the_fix() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("v999")).unwrap();
        let error = Pins::open(root.path()).unwrap_err().to_string();
        assert!(error.contains("v999") && error.contains("swarmlb detach"), "{error}");
    }
}
