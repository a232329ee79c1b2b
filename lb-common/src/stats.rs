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

impl ServiceStats {
    /// The counts of both, as of two CPUs.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            entry_packets: self.entry_packets + other.entry_packets,
            entry_bytes: self.entry_bytes + other.entry_bytes,
            entry_flows: self.entry_flows + other.entry_flows,
            home_packets: self.home_packets + other.home_packets,
            reply_packets: self.reply_packets + other.reply_packets,
            reply_bytes: self.reply_bytes + other.reply_bytes,
            second_chances: self.second_chances + other.second_chances,
            rebuilt: self.rebuilt + other.rebuilt,
        }
    }
}

const _: () = assert!(size_of::<ServiceStats>() == 64);
