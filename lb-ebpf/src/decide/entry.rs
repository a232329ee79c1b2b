//! The entry node's part: a published port's row for this flow. For TCP under the `hash` scheduler
//! without any per-flow state; UDP and `rr` remember their backend in `FLOWS`.

use lb_common::{
    addr::V4,
    backend::{Backend, STATE_ACTIVE, STATE_NONE},
    flow::{FlowKey, FlowValue},
    hash::flow_hash,
    port::{TCP, UDP},
    row::{BackendNumber, Row},
    service::{FLAG_CLIENT_IP, SCHEDULER_RR, Service},
};

use super::home::opens;
use crate::{parse::Parsed, tables::Tables};

/// The row that a client's packet carries, or `None` if the service has nobody to offer.
#[inline(always)]
pub fn choose<T: Tables>(
    tables: &T,
    index: u16,
    service: &Service,
    parsed: &Parsed,
) -> Option<Row> {
    if parsed.proto == UDP || service.scheduler == SCHEDULER_RR {
        return choose_cached(tables, index, service, parsed);
    }
    table_row(tables, service, hash(tables, service, parsed), opens(parsed))
}

/// The hash of a client's packet towards a service.
#[inline(always)]
pub(super) fn hash<T: Tables>(tables: &T, service: &Service, parsed: &Parsed) -> u32 {
    flow_hash(
        tables.hash_key(),
        service.seed,
        parsed.src,
        affine_port(service, parsed),
        parsed.proto,
    )
}

#[inline(always)]
fn affine_port(service: &Service, parsed: &Parsed) -> [u8; 2] {
    if service.flags & FLAG_CLIENT_IP != 0 { [0; 2] } else { parsed.src_port }
}

/// A row whose first entry is somebody: the owner, or, where nobody takes new flows, the newest former
/// owner of those that exist.
#[inline(always)]
fn table_row<T: Tables>(tables: &T, service: &Service, hash: u32, opens: bool) -> Option<Row> {
    let row = tables.row(service.row_range()?.pick(hash))?;
    let row = if row.owner() == 0 && !opens { row.rest() } else { row };
    (row.owner() != 0).then_some(row)
}

/// The remembered backend while it lives (and, for a new connection, while it takes new flows),
/// else the one whose turn it is.
#[inline(always)]
fn choose_cached<T: Tables>(
    tables: &T,
    index: u16,
    service: &Service,
    parsed: &Parsed,
) -> Option<Row> {
    let key = flow_key(index, service, parsed);
    let opens = opens(parsed);
    let connects = opens && parsed.proto == TCP;
    if let Some(flow) = tables.flow(&key)
        && let Some(backend) = backend(tables, service, flow.backend)
        && backend.generation == flow.generation
        && (backend.state == STATE_ACTIVE || (backend.state != STATE_NONE && !connects))
    {
        return Some(Row::of(flow.backend));
    }
    let turn = match service.scheduler {
        SCHEDULER_RR if opens => tables.rr_next(index) as u32,
        _ => hash(tables, service, parsed),
    };
    let row = table_row(tables, service, turn, opens)?;
    if opens {
        let generation = backend(tables, service, row.owner())?.generation;
        tables.flow_insert(&key, &FlowValue { backend: row.owner(), generation, reserved: 0 });
        // Of TCP the SYN was counted when it came in.
        tables.stats(index, |stats| stats.entry_flows += u64::from(!connects));
    }
    Some(row)
}

#[inline(always)]
fn flow_key(index: u16, service: &Service, parsed: &Parsed) -> FlowKey<V4> {
    FlowKey {
        client: parsed.src,
        client_port: affine_port(service, parsed),
        published_port: parsed.dst_port,
        service: index,
        proto: parsed.proto,
        reserved: 0,
    }
}

/// The backend with this number, if the service has one.
#[inline(always)]
pub fn backend<T: Tables>(tables: &T, service: &Service, number: BackendNumber) -> Option<Backend> {
    let backend = tables.backend(service.backend_range()?.at(u32::from(number))?)?;
    (backend.state != STATE_NONE).then_some(backend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        headers::{ACK, SYN},
        testing::{
            A, B, CLIENT, DNS, DNS_PORT, Interfaces, NODE, NODE_2, ON_2, ON_3, WEB, WEB_PORT,
            World, facts, row,
        },
    };

    /// A node whose web service has four rows with an owner each.
    fn world() -> World {
        let mut world = World::small(Interfaces::default());
        world.set_rows(WEB, &[row([A]), row([ON_2]), row([ON_3]), row([B])]);
        world
    }

    fn owner(world: &World, client: (V4, u16), dialled: V4, flags: u8) -> Option<BackendNumber> {
        let parsed = facts(TCP, client, (dialled, WEB_PORT), flags);
        let service = world.service(WEB)?;
        choose(world, WEB, service, &parsed).map(Row::owner)
    }

    fn owners(world: &World, flags: u8) -> Vec<BackendNumber> {
        let ports = 40_000..40_064;
        ports.filter_map(|port| owner(world, (CLIENT.0, port), NODE, flags)).collect()
    }

    #[test]
    fn flows_spread_and_segments_follow_their_syn() {
        let world = world();
        let syns = owners(&world, SYN);
        assert!([A, ON_2, ON_3, B].iter().all(|number| syns.contains(number)), "{syns:?}");
        assert_eq!(owners(&world, ACK), syns);
    }

    #[test]
    fn the_dialled_node_does_not_matter() {
        let world = world();
        assert_eq!(owner(&world, CLIENT, NODE, SYN), owner(&world, CLIENT, NODE_2, SYN));
    }

    #[test]
    fn affinity_keeps_all_connections_of_a_client_together() {
        let mut world = world();
        world.service_mut(WEB).flags = FLAG_CLIENT_IP;
        let mut owners = owners(&world, SYN);
        owners.dedup();
        assert_eq!(owners.len(), 1);
    }

    #[test]
    fn hash_keeps_no_state_and_turns_do() {
        let mut world = world();
        owners(&world, SYN);
        assert!(world.flows.borrow().is_empty());
        world.service_mut(WEB).scheduler = SCHEDULER_RR;
        let turns = owners(&world, SYN);
        assert_eq!(turns[..5], [A, ON_2, ON_3, B, A]);
        assert_eq!(owners(&world, ACK), turns);
    }

    #[test]
    fn where_all_drain_only_old_flows_go_on() {
        let mut world = world();
        world.set_rows(WEB, &[row([0, A])]);
        assert_eq!(owner(&world, CLIENT, NODE, SYN), None);
        assert_eq!(owner(&world, CLIENT, NODE, ACK), Some(A));
    }

    #[test]
    fn a_turn_is_kept_until_its_backend_takes_no_more() {
        let mut world = world();
        world.service_mut(WEB).scheduler = SCHEDULER_RR;
        assert_eq!(owner(&world, CLIENT, NODE, SYN), Some(A));
        world.backend_mut(WEB, A).state = lb_common::backend::STATE_DRAINING;
        assert_eq!(owner(&world, CLIENT, NODE, ACK), Some(A));
        assert_eq!(owner(&world, CLIENT, NODE, SYN), Some(ON_2));
    }

    #[test]
    fn the_first_datagram_of_a_flow_counts_as_one() {
        let world = World::small(Interfaces::default());
        let parsed = facts(UDP, CLIENT, (NODE, DNS_PORT), 0);
        let service = world.service(DNS).unwrap();
        for _datagram in 0..3 {
            assert!(choose(&world, DNS, service, &parsed).is_some());
        }
        assert_eq!(world.stats.borrow()[&DNS].entry_flows, 1);
    }
}
