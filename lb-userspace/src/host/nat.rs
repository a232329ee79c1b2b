//! Egress of legs: an nftables table that masquerades what tasks send outside and lets nothing new
//! in. It is written whole in one transaction, so no packet ever meets half of it.

use std::{collections::BTreeSet, io, ops::RangeInclusive, process::Output, process::Stdio};

use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{HostError, Journal, Result, legs::PREFIX};
use crate::model::Subnet;

/// Name of our table, of family `ip`.
pub const TABLE: &str = "swarmlb";

/// What tasks may do towards the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Egress {
    /// Sources that are masqueraded.
    pub gateway: Subnet,
    /// Ports that masqueraded flows get on the node; none of them published, since a reply to a
    /// published port would be taken for a client: see [`egress_ports`].
    pub ports: RangeInclusive<u16>,
}

/// The widest range of ports from 32768 to 60999 (what Linux gives to outgoing connections) that
/// holds no published port.
#[must_use]
pub fn egress_ports(published: &BTreeSet<u16>) -> RangeInclusive<u16> {
    const FIRST: u16 = 32768;
    const END: u16 = 61000;
    let inside = published.range(FIRST..END).copied();
    let mut from = FIRST;
    let mut best = (0, FIRST);
    for port in inside.chain([END]) {
        best = best.max((port - from, from));
        from = port + 1;
    }
    let (len, from) = best;
    from..=from + len.saturating_sub(1)
}

/// Makes the table be there as `egress` says. Gives whether it had to be written; it is left alone,
/// counters and all, where it stands already.
///
/// # Errors
/// [`HostError::NoNft`] where the `nft` program is missing; else what it said.
pub async fn ensure(journal: &mut Journal, egress: &Egress) -> Result<bool> {
    let script = script(egress);
    if is_in_place(egress).await? {
        return Ok(false);
    }
    journal.record_table(TABLE)?;
    nft(&["-f", "-"], &script).await?;
    Ok(true)
}

/// Removes the table; one that is gone already is fine.
///
/// # Errors
/// As [`ensure`].
pub async fn remove() -> Result<()> {
    // Adding first makes deleting succeed whether or not it was there.
    nft(&["-f", "-"], &clear()).await.map(drop)
}

/// Every rule carries the mark of its script as comment; all of them there means in place.
async fn is_in_place(egress: &Egress) -> Result<bool> {
    let listed = run(&["list", "table", "ip", TABLE], "").await?;
    let shown = String::from_utf8_lossy(&listed.stdout).matches(&mark(egress)).count();
    Ok(listed.status.success() && shown == rules(egress).len())
}

fn clear() -> String {
    format!("add table ip {TABLE}\ndelete table ip {TABLE}\n")
}

/// Rules by chain. Both chains come after everybody else's (`+ 10`): other tables see the traffic
/// first, their SNAT wins, their drops count.
fn rules(egress: &Egress) -> [(&'static str, String); 4] {
    let out = format!("ip saddr {} oifname != \"{PREFIX}*\"", egress.gateway);
    let to_legs = format!("oifname \"{PREFIX}*\"");
    let (first, last) = (egress.ports.start(), egress.ports.end());
    [
        ("postrouting", format!("{out} meta l4proto {{ tcp, udp }} masquerade to :{first}-{last}")),
        ("postrouting", format!("{out} masquerade")),
        ("forward", format!("{to_legs} ct state established,related accept")),
        ("forward", format!("{to_legs} counter drop")),
    ]
}

fn script(egress: &Egress) -> String {
    let mark = mark(egress);
    let add = |(chain, rule): (&str, String)| {
        format!("add rule ip {TABLE} {chain} {rule} comment \"{mark}\"\n")
    };
    let rules = rules(egress).map(add).concat();
    format!(
        "{}add table ip {TABLE}\n\
         add chain ip {TABLE} postrouting {{ type nat hook postrouting priority srcnat + 10; }}\n\
         add chain ip {TABLE} forward {{ type filter hook forward priority filter + 10; }}\n\
         {rules}",
        clear()
    )
}

fn mark(egress: &Egress) -> String {
    let text = rules(egress).map(|(chain, rule)| chain.to_owned() + &rule).concat();
    format!("{TABLE}:{:016x}", lb_common::hash::name_hash(0, text.as_bytes()))
}

async fn nft(arguments: &[&str], input: &str) -> Result<Output> {
    let output = run(arguments, input).await?;
    if output.status.success() {
        return Ok(output);
    }
    Err(HostError::Nft { said: String::from_utf8_lossy(&output.stderr).trim().into() })
}

async fn run(arguments: &[&str], input: &str) -> Result<Output> {
    let ran = spawn(arguments, input).await;
    ran.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => HostError::NoNft,
        _ => HostError::io("run nft")(source),
    })
}

async fn spawn(arguments: &[&str], input: &str) -> io::Result<Output> {
    let mut command = Command::new("nft");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut nft = command.kill_on_drop(true).spawn()?;
    if let Some(mut stdin) = nft.stdin.take() {
        stdin.write_all(input.as_bytes()).await?;
    }
    nft.wait_with_output().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn egress_ports_avoid_published_ones() {
        let range = |published: &[u16]| egress_ports(&published.iter().copied().collect());
        assert_eq!(range(&[]), 32768..=60999);
        assert_eq!(range(&[80, 8080, 65000]), 32768..=60999);
        assert_eq!(range(&[32768]), 32769..=60999);
        assert_eq!(range(&[60999]), 32768..=60998);
        assert_eq!(range(&[40000, 50000]), 50001..=60999);
        assert_eq!(range(&[40000, 59000]), 40001..=58999);
    }

    #[test]
    fn the_mark_follows_the_rules() {
        let egress =
            |ports| Egress { gateway: Subnet { addr: [172, 31, 0, 0].into(), prefix: 16 }, ports };
        assert_eq!(mark(&egress(1..=2)), mark(&egress(1..=2)));
        assert_ne!(mark(&egress(1..=2)), mark(&egress(1..=3)));
        let script = script(&egress(1..=2));
        assert_eq!(script.matches(&mark(&egress(1..=2))).count(), 4, "{script}");
    }
}
