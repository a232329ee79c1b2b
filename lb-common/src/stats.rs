//! Counters: `STATS`, a per-CPU array indexed by service; `DROPS` is in [`crate::drops`].

/// What a service saw at this node, as entry and as home.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceStats {
    /// Packets from clients that came in here.
    pub entry_packets: u64,
    /// Bytes of them, IP length.
    pub entry_bytes: u64,
    /// SYNs among them, and first datagrams of UDP flows.
    pub entry_flows: u64,
    /// Packets handed to tasks of this node.
    pub home_packets: u64,
    /// Replies of tasks of this node.
    pub reply_packets: u64,
    /// Bytes of them, IP length.
    pub reply_bytes: u64,
    /// Segments sent on to a former owner.
    pub second_chances: u64,
    /// Flows rebuilt from the task's socket table.
    pub rebuilt: u64,
}

const _: () = assert!(size_of::<ServiceStats>() == 64);
