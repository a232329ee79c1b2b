//! The Swarm's overlay networks. Keys of the packet path beside Docker are addresses without their
//! network, so no two networks may share one; Docker sees to that, and facts that say otherwise lose.

use std::{collections::BTreeMap, net::Ipv4Addr, path::PathBuf};

use lb_common::wire::TUNNEL_OVERHEAD;

use super::{NotReady, View, Warning, nodes::first_letters, normal, numbers::Offset};
use crate::{
    fit::{MAX_NAME, fit},
    model::{Network, NetworkSubnet, Subnet},
    source::{
        derive::VNI_END,
        docker::facts::{NetworkFacts, SubnetFacts, SwarmFacts},
    },
};

/// The longest prefix of a subnet that anybody fits in.
const MAX_PREFIX: u8 = 30;

/// Largest packet of a network that nobody has set another MTU for, whatever the wire carries (moby,
/// drivers/overlay: 1500 less the tunnel).
const USUAL_MTU: u16 = 1500 - TUNNEL_OVERHEAD;

/// The networks that are served, and the ingress network, which is not one of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Networks {
    /// By first VNI, hence about by age.
    pub(super) list: Vec<Network>,
    /// Names of those by id, that of the ingress network among them.
    pub(super) names: BTreeMap<String, String>,
    /// The ingress network.
    pub(super) ingress: Option<Ingress>,
}

/// The ingress network.
#[derive(Clone, Debug)]
pub(super) struct Ingress {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) subnets: Vec<NetworkSubnet>,
    pub(super) is_encrypted: bool,
    /// Largest IP packet, bytes.
    pub(super) mtu: u16,
}

impl Networks {
    /// The networks; one that shares a name, an address or a VNI with an older one is left out with a
    /// warning.
    pub(super) fn new(view: View<'_>, warnings: &mut Vec<Warning>) -> Self {
        let mut all: Vec<_> = view.swarm.networks.iter().collect();
        all.sort_by_key(|(id, facts)| {
            (!facts.is_ingress, facts.subnets.first().map(|s| s.vni), *id)
        });
        let mut networks = Self::default();
        for (id, facts) in all {
            let subnets: Vec<_> = facts.subnets.iter().filter_map(subnet).collect();
            // Without an IPv4 subnet there is nothing to balance in it.
            let Some((first, further)) = subnets.split_first() else { continue };
            match networks.conflict(facts, &subnets) {
                Some(conflict) => warnings.push(left_out(facts, &conflict)),
                None if facts.is_ingress => networks.take_ingress(id, facts, subnets),
                None => {
                    networks.names.insert(id.clone(), fit(&facts.name, MAX_NAME));
                    networks.list.push(Network {
                        name: fit(&facts.name, MAX_NAME),
                        first: *first,
                        further: further.to_vec(),
                        internal: facts.is_internal,
                        mtu: facts.mtu,
                        namespace: Some(namespace(view, id)),
                    });
                }
            }
        }
        networks
    }

    /// The network of that id, the ingress network aside.
    pub(super) fn get(&self, id: &str) -> Option<&Network> {
        let name = self.names.get(id).filter(|_| !self.is_ingress(id))?;
        self.list.iter().find(|network| network.name == *name)
    }

    /// Whether that is the id of the ingress network.
    pub(super) fn is_ingress(&self, id: &str) -> bool {
        self.ingress.as_ref().is_some_and(|ingress| ingress.id == id)
    }

    /// Where an address of a task lies in the network of that id; `None` outside all its subnets.
    pub(super) fn offset(&self, id: &str, addr: Ipv4Addr) -> Option<Offset> {
        let offset = |part: &NetworkSubnet| u32::from(addr) - u32::from(part.subnet.addr);
        match &self.ingress {
            Some(ingress) if ingress.id == id => {
                let mut parts = ingress.subnets.iter();
                parts.find(|part| part.subnet.contains(addr)).map(offset).map(Offset::Ingress)
            }
            _ => self.get(id)?.subnet_of(addr).map(offset).map(Offset::Other),
        }
    }

    fn take_ingress(&mut self, id: &str, facts: &NetworkFacts, subnets: Vec<NetworkSubnet>) {
        let (id, name) = (id.to_owned(), fit(&facts.name, MAX_NAME));
        self.names.insert(id.clone(), name.clone());
        let (is_encrypted, mtu) = (facts.is_encrypted, facts.mtu.unwrap_or(USUAL_MTU));
        self.ingress = Some(Ingress { id, name, subnets, is_encrypted, mtu });
    }

    /// What it shares with a network that is there, itself included.
    fn conflict(&self, facts: &NetworkFacts, subnets: &[NetworkSubnet]) -> Option<String> {
        if facts.is_ingress && self.ingress.is_some() {
            return Some("there is another ingress network".to_owned());
        }
        let name = fit(&facts.name, MAX_NAME);
        if self.names.values().any(|other| *other == name) {
            return Some("another network has its name".to_owned());
        }
        let others = self.list.iter().flat_map(|network| {
            network.subnets().map(|part| (part, format!("network {:?}", network.name)))
        });
        let others: Vec<_> = others.collect();
        let clash = |(at, part): (usize, &NetworkSubnet)| {
            let own = subnets[..at].iter().map(|other| (other, "itself".to_owned()));
            own.chain(others.clone()).find_map(|(other, owner)| meet(part, other, &owner))
        };
        subnets.iter().enumerate().find_map(clash)
    }
}

/// Where the engine keeps the network's namespace, or will as soon as a task is in the network here
/// (libnetwork `drivers/overlay/ov_network.go`: a version and ten letters of the network's id).
fn namespace(View { local, .. }: View<'_>, id: &str) -> PathBuf {
    let usual = || local.netns_dir.join(format!("1-{}", first_letters(id, 10)));
    local.overlay_namespaces.get(id).cloned().unwrap_or_else(usual)
}

/// What two subnets have in common.
fn meet(one: &NetworkSubnet, other: &NetworkSubnet, owner: &str) -> Option<String> {
    let (subnet, vni) = (one.subnet, one.vni);
    if subnet.overlaps(&other.subnet) {
        return Some(format!("its subnet {subnet} overlaps {} of {owner}", other.subnet));
    }
    (vni == other.vni).then(|| format!("its VNI {vni} is also that of {owner}"))
}

/// Refuses a mesh VNI under which a network of Docker's sends its frames: they would be taken away.
///
/// # Errors
/// [`NotReady::MeshVni`].
pub(super) fn spare_mesh_vni(swarm: &SwarmFacts, mesh_vni: u32) -> Result<(), NotReady> {
    let is_ours =
        |part: &SubnetFacts| part.vni == mesh_vni || part.vni == mesh_vni.saturating_add(1);
    let taken = swarm.networks.values().find_map(|network| {
        Some((network, network.subnets.iter().find(|part| is_ours(part))?.vni))
    });
    taken.map_or(Ok(()), |(network, vni)| {
        Err(NotReady::MeshVni { network: network.name.clone(), vni })
    })
}

/// The subnet, unless it is none.
fn subnet(facts: &SubnetFacts) -> Option<NetworkSubnet> {
    let is_sound = facts.prefix <= MAX_PREFIX && (1..VNI_END).contains(&facts.vni);
    let subnet = Subnet { addr: facts.addr, prefix: facts.prefix };
    is_sound.then(|| NetworkSubnet {
        vni: facts.vni,
        subnet: normal(subnet),
        gateway: facts.gateway,
    })
}

fn left_out(facts: &NetworkFacts, conflict: &str) -> Warning {
    let subject = format!("network {:?}", facts.name);
    Warning { subject, text: format!("{conflict}, so its virtual IPs are not served") }
}
