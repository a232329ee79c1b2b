//! A home flow as it lies in `NAT` or `EMBRYO`, and what its flags say about its life.
use std::{collections::HashMap, hash::Hash};

use lb_common::{
    addr::V4,
    flow::{NAT_CLIENT_FIN, NAT_DIRECT, NAT_TASK_FIN, NatKey, NatValue},
};
use serde::Serialize;

/// A flow of one of this node's tasks.
#[derive(Clone, Copy, Debug)]
pub struct HomeFlow {
    /// Its key.
    pub key: NatKey<V4>,
    /// What it translates to.
    pub value: NatValue<V4>,
    /// It is in `EMBRYO`: the client has not answered yet.
    pub embryo: bool,
}

/// Where a flow stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowState {
    /// The client has not answered yet.
    Embryo,
    /// Both sides talk.
    Established,
    /// One side sent FIN.
    Closing,
    /// Both sides sent FIN.
    Closed,
}

impl HomeFlow {
    /// Where the flow stands in its life.
    #[must_use]
    pub const fn state(&self) -> FlowState {
        const BOTH: u8 = NAT_CLIENT_FIN | NAT_TASK_FIN;
        match (self.embryo, self.value.flags & BOTH) {
            (true, _) => FlowState::Embryo,
            (false, 0) => FlowState::Established,
            (false, BOTH) => FlowState::Closed,
            (false, _) => FlowState::Closing,
        }
    }

    /// Whether it counts as live: established and not closed by both sides.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.state(), FlowState::Established | FlowState::Closing)
    }

    /// Whether replies leave straight for the client.
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        self.value.flags & NAT_DIRECT != 0
    }
}

/// Live flows counted by what `key` says of them.
pub(super) fn count_live<K: Eq + Hash>(
    flows: &[HomeFlow],
    key: impl Fn(&HomeFlow) -> K,
) -> HashMap<K, u64> {
    let mut counts = HashMap::new();
    for flow in flows.iter().filter(|flow| flow.is_live()) {
        *counts.entry(key(flow)).or_default() += 1;
    }
    counts
}

impl FlowState {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embryo => "embryo",
            Self::Established => "established",
            Self::Closing => "closing",
            Self::Closed => "closed",
        }
    }
}

#[cfg(test)]
pub(super) mod sample {
    use lb_common::port::TCP;

    use super::*;

    /// A flow from 198.18.9.9:`client_port` through 198.18.0.2:80 to the task 172.31.0.2:8080 of
    /// service 3, entered at peer 1.
    pub(in crate::observe) fn flow(client_port: u16, flags: u8, embryo: bool) -> HomeFlow {
        let client_port = client_port.to_be_bytes();
        HomeFlow {
            key: NatKey {
                client: [198, 18, 9, 9],
                task: [172, 31, 0, 2],
                client_port,
                target_port: 8080u16.to_be_bytes(),
                proto: TCP,
                reserved: [0; 3],
            },
            value: NatValue {
                dialled: [198, 18, 0, 2],
                dialled_port: 80u16.to_be_bytes(),
                client_port,
                entry: 1,
                service: 3,
                flags,
                generation: 0,
                reserved: [0; 2],
            },
            embryo,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_tell_the_life_of_a_flow() {
        let both = NAT_CLIENT_FIN | NAT_TASK_FIN;
        let states: Vec<_> = [(0, true), (NAT_DIRECT, false), (NAT_TASK_FIN, false), (both, false)]
            .map(|(flags, embryo)| sample::flow(1, flags, embryo).state())
            .into();
        use FlowState::*;
        assert_eq!(states, [Embryo, Established, Closing, Closed]);
    }

    #[test]
    fn only_live_flows_count() {
        let both = NAT_CLIENT_FIN | NAT_TASK_FIN;
        let flows =
            [sample::flow(1, 0, true), sample::flow(2, 0, false), sample::flow(3, both, false)];
        assert_eq!(count_live(&flows, |flow| flow.value.service), [(3, 1)].into());
    }
}
