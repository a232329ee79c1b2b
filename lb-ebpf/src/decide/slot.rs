//! The translation of one home flow: which `NAT` key it has. Usually the client's own port; another
//! one where that port is taken by a flow of the same client that dialled something else.
//!
//! The task cannot tell two flows apart that differ only in the dialled address or port, so the
//! second gets an alternative client port, derived from what it dialled, and the reply gets the
//! real one back. This is the only exception to "the task sees the client's real port".

use lb_common::{
    addr::V4,
    flow::{NAT_CLIENT_FIN, NatKey, NatValue},
    hash::mix,
    leg::Leg,
    port::{TCP, UDP},
};

use crate::{
    headers::{FIN, RST, SYN},
    parse::{Kind, Parsed},
    tables::{Socket, Tables},
};

/// Alternative client ports that are tried after the client's own.
pub(super) const ALTERNATIVES: u8 = 2;

/// A client's flow as it arrives at its home.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(super) struct HomeFlow<'a> {
    /// The client's packet.
    pub parsed: &'a Parsed,
    /// The task's port, network order.
    pub target_port: [u8; 2],
    /// Index into `PEERS` of the entry node.
    pub entry: u16,
    /// Index into `SERVICES`.
    pub service: u16,
    /// `NAT_*` bits that a new entry starts with.
    pub flags: u8,
    /// Of the leg that is asked: beside the flow, for the sake of the stack.
    pub generation: u8,
}

impl HomeFlow<'_> {
    #[inline(always)]
    fn key(&self, leg: &Leg) -> NatKey<V4> {
        NatKey {
            client: self.parsed.src,
            task: leg.addr,
            client_port: self.parsed.src_port,
            target_port: self.target_port,
            proto: self.parsed.proto,
            reserved: [0; 3],
        }
    }

    /// The client's own port, or the `attempt`-th alternative: at least 1024, the same whenever and
    /// wherever it is computed.
    #[inline(always)]
    fn client_port(&self, attempt: u8) -> [u8; 2] {
        if attempt == 0 {
            return self.parsed.src_port;
        }
        let dialled = u64::from(u32::from_be_bytes(self.parsed.dst)) << 32
            | u64::from(u16::from_be_bytes(self.parsed.dst_port)) << 16
            | u64::from(u16::from_be_bytes(self.parsed.src_port));
        let port = mix(dialled.wrapping_add(u64::from(attempt))) as u16;
        (port | 0x0400).to_be_bytes()
    }

    #[inline(always)]
    fn value(&self) -> NatValue<V4> {
        NatValue {
            dialled: self.parsed.dst,
            dialled_port: self.parsed.dst_port,
            client_port: self.parsed.src_port,
            entry: self.entry,
            service: self.service,
            flags: self.flags,
            generation: self.generation,
            reserved: [0; 2],
        }
    }

    /// Whether an entry is this flow's; if so, notes what the packet tells.
    #[inline(always)]
    fn touch(&self, value: &mut NatValue<V4>, leg: &Leg) -> Found {
        if value.generation != self.generation {
            return Found::Former;
        }
        let mine = value.dialled == self.parsed.dst
            && value.dialled_port == self.parsed.dst_port
            && value.client_port == self.parsed.src_port;
        if !mine {
            return Found::Taken;
        }
        if value.entry != self.entry {
            value.entry = self.entry;
        }
        let closing = value.flags & NAT_CLIENT_FIN != 0;
        if self.parsed.flags & FIN != 0 {
            value.flags |= NAT_CLIENT_FIN;
        }
        if closing && self.parsed.kind == Kind::Tcp && leg.netns_id >= 0 {
            return Found::Closing;
        }
        Found::Mine
    }
}

/// A client port towards a task, or none, in one word: an `Option` would leave the port's half of the
/// register undefined where there is none, and the verifier refuses arithmetic on what is left there.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u32);

impl Slot {
    const NONE: Self = Self(0);

    #[inline(always)]
    fn of(key: &NatKey<V4>) -> Self {
        Self(0x1_0000 | u32::from(u16::from_ne_bytes(key.client_port)))
    }

    /// The port, network order.
    #[inline(always)]
    pub(super) fn port(self) -> Option<[u8; 2]> {
        (self.0 != 0).then_some((self.0 as u16).to_ne_bytes())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Mine,
    /// This flow's or an older one's from the same client port, whose client had sent FIN: the task's
    /// socket tells. Ports are used again within seconds, and the new flow may be another task's whose
    /// row has just become this one's.
    Closing,
    /// Another flow's of this task.
    Taken,
    /// Of a task that had the address before.
    Former,
}

/// Whether this task has the flow under the client's own port: what nearly all packets find.
#[inline(always)]
pub(super) fn known<T: Tables>(tables: &T, flow: &HomeFlow<'_>, leg: &Leg) -> bool {
    flow.parsed.flags & RST == 0
        && tables.nat(&flow.key(leg), |value| flow.touch(value, leg)) == Some(Found::Mine)
}

/// The client port towards this task of a flow that exists: known, or rebuilt from the task's
/// sockets. `None`: this task has no such flow.
#[inline(never)]
pub(super) fn find<T: Tables>(tables: &T, flow: &HomeFlow<'_>, leg: &Leg) -> Slot {
    // One key for all attempts: the stack has no room for one each.
    let mut key = flow.key(leg);
    let (mut attempt, mut closing) = (0, 0);
    while attempt <= ALTERNATIVES {
        key.client_port = flow.client_port(attempt);
        match look_up(tables, flow, leg, &key) {
            Some(Found::Mine) => return Slot::of(&key),
            Some(Found::Taken) => attempt += 1,
            found => {
                if found == Some(Found::Closing) {
                    closing = NAT_CLIENT_FIN;
                }
                break;
            }
        }
    }
    if flow.parsed.proto != TCP || flow.parsed.kind != Kind::Tcp {
        return Slot::NONE;
    }
    rebuild(tables, flow, leg, &mut key, closing)
}

/// An entry that may be over is removed: the task's sockets tell, as if it had been evicted.
#[inline(always)]
fn look_up<T: Tables>(
    tables: &T,
    flow: &HomeFlow<'_>,
    leg: &Leg,
    key: &NatKey<V4>,
) -> Option<Found> {
    if let Some(found) = tables.nat(key, |value| flow.touch(value, leg)) {
        let is_over = found == Found::Closing || found == Found::Former;
        if is_over || (found == Found::Mine && flow.parsed.flags & RST != 0) {
            tables.nat_remove(key);
        }
        return Some(found);
    }
    tables.embryo(key, |value| {
        let found = flow.touch(value, leg);
        if found == Found::Mine && flow.parsed.kind == Kind::Tcp {
            tables.nat_insert(key, value);
        }
        found
    })
}

/// Second chance, first half: the entry is gone, but the task's namespace knows the connection.
/// Alternatives come first, since a flow that has one would else be taken for its twin; a connection
/// that is known to be another flow's is not asked about, and one in TIME-WAIT is over: its client may
/// use the port again.
#[inline(always)]
fn rebuild<T: Tables>(
    tables: &T,
    flow: &HomeFlow<'_>,
    leg: &Leg,
    key: &mut NatKey<V4>,
    closing: u8,
) -> Slot {
    let mut attempt = ALTERNATIVES;
    loop {
        key.client_port = flow.client_port(attempt);
        let others = tables.nat(key, |value| flow.touch(value, leg)) == Some(Found::Taken);
        if !others && tables.socket(leg, key) == Socket::Alive {
            let mut value = flow.value();
            value.flags |= closing;
            tables.nat_insert(key, &value);
            tables.stats(flow.service, |stats| stats.rebuilt += 1);
            return Slot::of(key);
        }
        if attempt == 0 {
            return Slot::NONE;
        }
        attempt -= 1;
    }
}

/// The client port towards this task of a flow that may be new: a SYN or a datagram. `None`: the
/// client's port and all alternatives are taken by its other flows.
#[inline(never)]
pub(super) fn open<T: Tables>(tables: &T, flow: &HomeFlow<'_>, leg: &Leg) -> Slot {
    let mut key = flow.key(leg);
    let mut attempt = 0;
    while attempt <= ALTERNATIVES {
        key.client_port = flow.client_port(attempt);
        match reopen(tables, flow, leg, &key) {
            Some(Found::Mine | Found::Closing) => return Slot::of(&key),
            Some(Found::Taken) if holder_lives(tables, leg, &key, attempt) => attempt += 1,
            Some(Found::Taken | Found::Former) => {
                tables.nat_remove(&key);
                return begin(tables, flow, &key);
            }
            None => return begin(tables, flow, &key),
        }
    }
    Slot::NONE
}

/// As [`look_up`], but a SYN on a known flow begins it anew and promotes nothing.
#[inline(always)]
fn reopen<T: Tables>(
    tables: &T,
    flow: &HomeFlow<'_>,
    leg: &Leg,
    key: &NatKey<V4>,
) -> Option<Found> {
    let opens = flow.parsed.flags & SYN != 0;
    let anew = |value: &mut NatValue<V4>| {
        let found = flow.touch(value, leg);
        if opens && (found == Found::Mine || found == Found::Closing) {
            value.flags = flow.flags;
        }
        found
    };
    match tables.nat(key, anew) {
        Some(found) => Some(found),
        None => tables.embryo(key, |value| flow.touch(value, leg)),
    }
}

/// Whether the flow that holds a port is in use. UDP has no way to tell, so there only the last
/// alternative is taken over.
#[inline(always)]
fn holder_lives<T: Tables>(tables: &T, leg: &Leg, key: &NatKey<V4>, attempt: u8) -> bool {
    match key.proto {
        UDP => attempt < ALTERNATIVES,
        _ => tables.socket(leg, key) == Socket::Alive,
    }
}

#[inline(always)]
fn begin<T: Tables>(tables: &T, flow: &HomeFlow<'_>, key: &NatKey<V4>) -> Slot {
    tables.embryo_insert(key, &flow.value());
    Slot::of(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        headers::ACK,
        testing::{
            CLIENT, Interfaces, NODE, SECOND_ADDR, TASK_A, WEB, WEB_PORT, WEB_TARGET, World, facts,
            nat_value, web_key,
        },
    };

    fn world() -> World {
        World::small(Interfaces::default())
    }

    fn leg(world: &World) -> Leg {
        world.leg(lb_common::leg::leg_index(TASK_A)).unwrap()
    }

    fn flow(parsed: &Parsed) -> HomeFlow<'_> {
        HomeFlow {
            parsed,
            target_port: WEB_TARGET.to_be_bytes(),
            entry: 1,
            service: WEB,
            flags: 0,
            generation: 0,
        }
    }

    fn packet(dialled: V4, flags: u8) -> Parsed {
        facts(TCP, CLIENT, (dialled, WEB_PORT), flags)
    }

    #[test]
    fn a_syn_makes_an_embryo_and_only_an_ack_establishes() {
        let world = world();
        let key = web_key(CLIENT, TASK_A);
        let (syn, ack) = (packet(NODE, SYN), packet(NODE, ACK));
        for _retransmission in 0..2 {
            assert!(open(&world, &flow(&syn), &leg(&world)).port().is_some());
        }
        assert!(world.nat.borrow().is_empty() && world.embryo.borrow().contains_key(&key));
        assert!(!known(&world, &flow(&ack), &leg(&world)));
        assert_eq!(find(&world, &flow(&ack), &leg(&world)).port(), Some(CLIENT.1.to_be_bytes()));
        assert_eq!(world.nat.borrow()[&key], nat_value((NODE, WEB_PORT), CLIENT.1, 1, WEB));
        assert!(known(&world, &flow(&ack), &leg(&world)));
    }

    #[test]
    fn a_segment_without_a_socket_makes_nothing() {
        let world = world();
        assert_eq!(find(&world, &flow(&packet(NODE, ACK)), &leg(&world)).port(), None);
        assert!(world.nat.borrow().is_empty() && world.embryo.borrow().is_empty());
    }

    #[test]
    fn a_rebuilt_flow_is_counted_and_known() {
        let world = world();
        world.sockets.borrow_mut().insert(web_key(CLIENT, TASK_A), Socket::Alive);
        let ack = packet(NODE, ACK);
        assert!(find(&world, &flow(&ack), &leg(&world)).port().is_some());
        assert!(known(&world, &flow(&ack), &leg(&world)));
        assert_eq!(world.stats.borrow()[&WEB].rebuilt, 1);
    }

    #[test]
    fn a_clashing_flow_is_rebuilt_under_the_port_it_had() {
        let world = world();
        world.sockets.borrow_mut().insert(web_key(CLIENT, TASK_A), Socket::Alive);
        let ack = packet(SECOND_ADDR, ACK);
        let second = flow(&ack);
        let port = u16::from_be_bytes(second.client_port(1));
        world.sockets.borrow_mut().insert(web_key((CLIENT.0, port), TASK_A), Socket::Alive);
        assert_eq!(find(&world, &second, &leg(&world)).port(), Some(port.to_be_bytes()));
    }

    #[test]
    fn fin_and_entry_are_noted() {
        let world = world();
        let key = web_key(CLIENT, TASK_A);
        world.nat.borrow_mut().insert(key, nat_value((NODE, WEB_PORT), CLIENT.1, 2, WEB));
        assert!(known(&world, &flow(&packet(NODE, ACK | FIN)), &leg(&world)));
        let value = world.nat.borrow()[&key];
        assert_eq!((value.entry, value.flags), (1, NAT_CLIENT_FIN));
    }

    #[test]
    fn what_an_earlier_flow_from_the_same_port_left_is_not_taken_for_the_flow() {
        let world = world();
        let (key, ack) = (web_key(CLIENT, TASK_A), packet(NODE, ACK));
        let closed =
            NatValue { flags: NAT_CLIENT_FIN, ..nat_value((NODE, WEB_PORT), CLIENT.1, 1, WEB) };
        world.nat.borrow_mut().insert(key, closed);
        assert!(!known(&world, &flow(&ack), &leg(&world)));
        assert_eq!(find(&world, &flow(&ack), &leg(&world)).port(), None);
        assert!(world.nat.borrow().is_empty());
        world.nat.borrow_mut().insert(key, closed);
        world.sockets.borrow_mut().insert(key, Socket::TimeWait);
        assert_eq!(find(&world, &flow(&ack), &leg(&world)).port(), None, "over as well");
        world.nat.borrow_mut().insert(key, closed);
        world.sockets.borrow_mut().insert(key, Socket::Alive);
        assert!(find(&world, &flow(&ack), &leg(&world)).port().is_some(), "its last segment");
        assert_eq!(world.nat.borrow()[&key].flags, NAT_CLIENT_FIN);
    }

    #[test]
    fn what_a_former_task_under_the_address_left_is_nobodys() {
        let world = world();
        let key = web_key(CLIENT, TASK_A);
        let leg = leg(&world);
        fn next<'a>(parsed: &'a Parsed) -> HomeFlow<'a> {
            HomeFlow { generation: 1, ..flow(parsed) }
        }
        let entry = nat_value((NODE, WEB_PORT), CLIENT.1, 1, WEB);
        world.nat.borrow_mut().insert(key, entry);
        let (syn, ack) = (packet(NODE, SYN), packet(NODE, ACK));
        assert!(!known(&world, &next(&ack), &leg));
        assert_eq!(find(&world, &next(&ack), &leg).port(), None);
        world.nat.borrow_mut().insert(key, entry);
        assert_eq!(open(&world, &next(&syn), &leg).port(), Some(CLIENT.1.to_be_bytes()));
        assert_eq!(world.embryo.borrow()[&key].generation, 1);
        assert!(find(&world, &next(&ack), &leg).port().is_some());
        assert!(known(&world, &next(&ack), &leg));
    }
}
