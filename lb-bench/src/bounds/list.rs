//! The bounds themselves.

use super::{Bound, more, times, value};

const STATELESS: &str = "packet/floor/stateless/1";
const LRU_1: &str = "packet/floor/lru/1";
const LRU_131K: &str = "packet/floor/lru/131k";
const NAT_1: &str = "packet/floor/tcx-nat/1";
const NAT_131K: &str = "packet/floor/tcx-nat/131k";
const NAT_TUNNEL_1: &str = "packet/floor/tcx-nat-tunnel/1";
const NAT_TUNNEL_131K: &str = "packet/floor/tcx-nat-tunnel/131k";
const ENTRY: &str = "packet/entry/tcp/1";

/// Everything that must hold.
#[must_use]
pub fn all() -> Vec<Bound> {
    [packet(), rate(), bulk(), requests(), churn()].concat()
}

fn packet() -> Vec<Bound> {
    vec![
        // A slow floor proves nothing.
        Bound::at_most(STATELESS, value(52.0)),
        Bound::at_most(LRU_1, value(80.0)),
        Bound::at_most("packet/pass/unpublished", value(20.0)),
        Bound::at_most("packet/pass/foreign", value(20.0)),
        Bound::at_most(ENTRY, times(1.0, STATELESS)),
        // No state by flow, so no growth.
        Bound::at_most("packet/entry/tcp/131k", times(1.3, ENTRY)),
        Bound::at_most("packet/entry/tcp/1M", times(1.3, ENTRY)),
        Bound::at_most("packet/entry/services-10k/131k", more(200.0, "packet/entry/tcp/131k")),
        Bound::at_most("packet/entry/backends-5000/131k", times(2.0, "packet/entry/tcp/131k")),
        Bound::at_most("packet/entry/rr/1", times(1.1, LRU_1)),
        Bound::at_most("packet/entry/rr/131k", times(1.1, LRU_131K)),
        Bound::at_most("packet/entry/udp/1", times(1.1, LRU_1)),
        Bound::at_most("packet/entry/syn/131k", more(30.0, "packet/entry/tcp/131k")),
        Bound::at_most("packet/home/1", times(1.5, LRU_1)),
        Bound::at_most("packet/home/131k", times(1.5, LRU_131K)),
        Bound::at_most("packet/reply/tunnel/1", times(1.25, NAT_TUNNEL_1)),
        Bound::at_most("packet/reply/tunnel/131k", times(1.25, NAT_TUNNEL_131K)),
        Bound::at_most("packet/vip/out-local/1", times(1.25, NAT_1)),
        Bound::at_most("packet/vip/out-local/131k", times(1.25, NAT_131K)),
        Bound::at_most("packet/vip/out-remote/1", times(1.25, NAT_TUNNEL_1)),
        Bound::at_most("packet/vip/in-local/1", times(1.25, NAT_1)),
        Bound::at_most("packet/vip/in-local/131k", times(1.25, NAT_131K)),
        Bound::at_most("packet/docker/vip-out/1", times(1.25, NAT_1)),
        Bound::at_most("packet/docker/vip-out/131k", times(1.25, NAT_131K)),
        Bound::at_most("packet/docker/vip-in/1", times(1.25, NAT_1)),
        Bound::at_most("packet/docker/vip-in/131k", times(1.25, NAT_131K)),
        Bound::at_most("packet/unpack/1", value(60.0)),
        Bound::at_most("packet/unpack/131k", value(60.0)),
    ]
}

fn rate() -> Vec<Bound> {
    vec![Bound::at_least("rate/net/entry", times(0.9, "rate/net/swap"))]
}

fn bulk() -> Vec<Bound> {
    let mesh = |stream: &str| -> Vec<Bound> {
        match stream {
            "1" => vec![
                Bound::at_least("bulk/mesh-local/up/1", times(1.0, "bulk/nft-dnat/up/1")),
                Bound::at_least("bulk/mesh-local/down/1", times(1.0, "bulk/nft-dnat/down/1")),
            ],
            _ => vec![
                Bound::at_least("bulk/mesh-local/up/8", times(1.0, "bulk/nft-dnat/up/8")),
                Bound::at_least("bulk/mesh-local/down/8", times(1.0, "bulk/nft-dnat/down/8")),
            ],
        }
    };
    let mut bounds = vec![
        Bound::at_least("bulk/vip-remote/up/1", times(0.85, "bulk/kernel-vxlan/up/1")),
        Bound::at_least("bulk/vip-remote/up/8", times(0.85, "bulk/kernel-vxlan/up/8")),
        Bound::at_least("bulk/vip-local/up/1", times(0.9, "bulk/kernel-route/up/1")),
        Bound::at_least("bulk/vip-local/up/8", times(0.9, "bulk/kernel-route/up/8")),
    ];
    bounds.extend(mesh("1"));
    bounds.extend(mesh("8"));
    bounds
}

fn requests() -> Vec<Bound> {
    vec![
        Bound::at_least("requests/mesh-local/keep-alive", times(0.9, "requests/direct/keep-alive")),
        Bound::at_least(
            "requests/mesh-local/connections",
            times(1.0, "requests/nft-dnat/connections"),
        ),
        Bound::at_most("requests/mesh-local/p99", times(1.0, "requests/nft-dnat/p99")),
        Bound::at_most("requests/mesh-local/cpu", times(0.6, "requests/haproxy/cpu")),
    ]
}

fn churn() -> Vec<Bound> {
    vec![
        Bound::at_most("churn/change", value(20.0)),
        Bound::at_most("churn/load", value(5000.0)),
        Bound::at_most("churn/lost", value(0.0)),
        Bound::at_most("churn/flood-lost", value(0.0)),
        Bound::at_most("churn/flood-p99", times(2.0, "churn/calm-p99")),
        Bound::at_most("churn/agent-memory", value(100.0)),
        Bound::at_most("churn/rows-memory", value(100.0)),
        Bound::at_most("churn/home-flow-bytes", value(110.0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bound_refers_to_another_group_or_to_itself() {
        for bound in all() {
            let group = |id: &str| id.split('/').next().map(str::to_owned);
            let of = bound.limit.of.unwrap_or(bound.figure);
            assert_eq!(group(of), group(bound.figure), "{bound}");
            assert_ne!(bound.limit.of, Some(bound.figure));
        }
    }
}
