//! The entry node's part: a published port's row for this flow. For TCP under the `hash` scheduler
//! without any per-flow state; UDP and `rr` remember their backend in `FLOWS`.

use lb_common::{
    addr::V4,
    backend::{Backend, STATE_ACTIVE, STATE_NONE},
    flow::{FlowKey, FlowValue},
    hash::flow_hash,
    port::UDP,
    row::{BackendNumber, Row},
    service::{FLAG_CLIENT_IP, SCHEDULER_RR, Service},
};

use crate::{
    headers::SYN,
    parse::{Kind, Parsed},
    tables::Tables,
};

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
    table_row(tables, service, hash(tables, service, parsed))
}

#[inline(always)]
fn hash<T: Tables>(tables: &T, service: &Service, parsed: &Parsed) -> u32 {
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

#[inline(always)]
fn table_row<T: Tables>(tables: &T, service: &Service, hash: u32) -> Option<Row> {
    let row = tables.row(service.row_range()?.pick(hash))?;
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
    let key = flow_key(service, parsed);
    let opens = parsed.kind == Kind::Tcp && parsed.flags & SYN != 0;
    if let Some(flow) = tables.flow(&key)
        && let Some(backend) = backend(tables, service, flow.backend)
        && backend.generation == flow.generation
        && (backend.state == STATE_ACTIVE || (backend.state != STATE_NONE && !opens))
    {
        return Some(Row::of(flow.backend));
    }
    let turn = match service.scheduler {
        SCHEDULER_RR if opens || parsed.proto == UDP => tables.rr_next(index) as u32,
        _ => hash(tables, service, parsed),
    };
    let row = table_row(tables, service, turn)?;
    if parsed.kind == Kind::Udp || opens {
        let generation = backend(tables, service, row.owner())?.generation;
        tables.flow_insert(&key, &FlowValue { backend: row.owner(), generation, reserved: 0 });
    }
    Some(row)
}

#[inline(always)]
fn flow_key(service: &Service, parsed: &Parsed) -> FlowKey<V4> {
    FlowKey {
        client: parsed.src,
        client_port: affine_port(service, parsed),
        published_port: parsed.dst_port,
        proto: parsed.proto,
        reserved: [0; 3],
    }
}

/// The backend with this number, if the service has one.
#[inline(always)]
pub fn backend<T: Tables>(tables: &T, service: &Service, number: BackendNumber) -> Option<Backend> {
    let backend = tables.backend(service.backend_range()?.at(u32::from(number))?)?;
    (backend.state != STATE_NONE).then_some(backend)
}
