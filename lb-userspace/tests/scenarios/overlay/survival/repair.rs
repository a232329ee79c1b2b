//! Elements that only agents write and somebody else has changed: the next look repairs them.

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Sessions, TcpSession, eventually};
use serde_json::Value;

use super::{
    super::bed::{Bed, PATIENCE},
    SERVICES, expect_none,
};
use crate::maps::{Element, delete, elements, put};

/// Bytes of an element of `OVERLAY_LEGS`.
const LEG_BYTES: usize = 24;

#[test]
fn endpoints_that_were_removed_or_changed_are_repaired() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    let mut held = Sessions::<TcpSession>::open(bed.task("app.2"), &[bed.vip("web")], 20)?;
    let before = sorted(elements(&bed.cluster, "n1", "ENDPOINTS")?);
    ensure!(before.len() > 6, "only {} endpoints", before.len());
    let (gone, spoilt) = before.split_at(before.len() / 2);
    let spoilt: Vec<_> = spoilt
        .iter()
        .map(|one| Element { key: one.key.clone(), value: vec![9; one.value.len()] })
        .collect();
    delete(&bed.cluster, "n1", "ENDPOINTS", gone)?;
    put(&bed.cluster, "n1", "ENDPOINTS", &spoilt)?;
    eventually(PATIENCE, "the endpoints of before", || {
        elements(&bed.cluster, "n1", "ENDPOINTS").is_ok_and(|now| sorted(now) == before)
    })?;
    expect_none(&held.ping_all())
}

#[test]
fn overlay_legs_that_were_wiped_out_are_repaired() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    let mut held = Sessions::<TcpSession>::open(bed.task("app.2"), &[bed.vip("web")], 20)?;
    let wiped: Vec<_> = legs(&bed, "n1")?
        .into_iter()
        .map(|ifindex| Element {
            key: (ifindex % (1 << 16)).to_ne_bytes().into(),
            value: vec![0; LEG_BYTES],
        })
        .collect();
    ensure!(wiped.len() == 2, "{wiped:?}");
    put(&bed.cluster, "n1", "OVERLAY_LEGS", &wiped)?;
    eventually(PATIENCE, "a way out of the leg", || held.ping_all().is_empty())
}

/// Interfaces of a node's overlay legs.
fn legs(bed: &Bed, node: &str) -> Result<Vec<u32>> {
    let text = bed.cluster.sh_in(&bed.cluster.node(node).ns, "ip -j link")?;
    let links: Vec<Value> = serde_json::from_str(&text)?;
    let legs = links
        .iter()
        .filter(|link| link["ifname"].as_str().is_some_and(|name| name.starts_with("slo")));
    legs.map(|link| Ok(u32::try_from(link["ifindex"].as_u64().context("no index")?)?)).collect()
}

fn sorted(mut all: Vec<Element>) -> Vec<Element> {
    all.sort_by(|one, other| one.key.cmp(&other.key));
    all
}
