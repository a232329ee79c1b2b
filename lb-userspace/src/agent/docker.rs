//! Virtual IPs beside Docker: their programs sit on the node ends of overlay legs, in the namespaces where
//! the engine hides its networks. Which ones get them (pure), and seeing to it.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    AgentError,
    workbench::{Round, Workbench},
};
use crate::{
    host::{HostError, Result, netns::Namespace},
    model::{DesiredState, Netns},
};

impl Workbench {
    /// Attaches what is missing and nothing else: for interfaces that have just come. Anything that
    /// cannot be done is met again by the next round, which tells it.
    pub(super) async fn attach_vips(&mut self, desired: &DesiredState) {
        for (name, path) in hidden(desired) {
            match self.enter(&path).await {
                Ok(Some(namespace)) => {
                    let attached =
                        self.attachments.attach_vips(&mut self.dataplane, &name, &namespace);
                    if let Err(error) = attached {
                        tracing::debug!("{error}");
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::debug!("{error}"),
            }
        }
    }

    /// Finds out which links are there, attaches the missing ones, and removes what is left of
    /// namespaces that are gone or have no virtual IPs any more.
    pub(super) async fn check_vips(
        &mut self,
        desired: &DesiredState,
        round: &mut Round,
    ) -> std::result::Result<(), AgentError> {
        let mut kept = BTreeSet::new();
        for (name, path) in hidden(desired) {
            match self.enter(&path).await {
                Ok(Some(namespace)) => {
                    self.check_one(&name, &namespace, round);
                    kept.insert(name);
                }
                Ok(None) => {}
                Err(error) => {
                    round.problems.push(error.to_string());
                    kept.insert(name);
                }
            }
        }
        self.attachments.retain_vips(&mut self.dataplane, &kept)?;
        Ok(())
    }

    fn check_one(&mut self, name: &str, namespace: &Namespace, round: &mut Round) {
        let (attachments, dataplane) = (&mut self.attachments, &mut self.dataplane);
        let attached = attachments
            .check_vips(dataplane, name, namespace)
            .and_then(|()| attachments.attach_vips(dataplane, name, namespace));
        match attached {
            Ok((links, problems)) => {
                round.changes += links.len();
                round.problems.extend(problems.iter().map(ToString::to_string));
            }
            Err(error) => round.problems.push(error.to_string()),
        }
    }

    /// The namespace, with an id at the node, without which nobody would hear of its interfaces; `None`:
    /// it is not there.
    async fn enter(&self, path: &Path) -> Result<Option<Namespace>> {
        match Namespace::open(&Netns::Path(path.into())) {
            Err(error) if error.is_missing_namespace() => Ok(None),
            Err(error) => Err(error),
            Ok(namespace) if namespace.inode() == Namespace::current()?.inode() => {
                Err(HostError::NotANamespace { path: path.into() })
            }
            Ok(namespace) => {
                self.netlink.ensure_netns_id(&namespace).await?;
                Ok(Some(namespace))
            }
        }
    }
}

/// The namespaces of networks in which some service has a virtual IP, by the names of their files.
fn hidden(desired: &DesiredState) -> BTreeMap<String, PathBuf> {
    let has_vip =
        |name: &String| desired.services.iter().any(|service| service.vips.contains_key(name));
    let networks = desired.networks.iter().filter(|network| has_vip(&network.name));
    let named =
        |path: &PathBuf| Some((path.file_name()?.to_string_lossy().into_owned(), path.clone()));
    networks.filter_map(|network| network.namespace.as_ref().and_then(named)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::sample,
        model::{Network, NetworkSubnet, Subnet},
    };

    fn network(name: &str, namespace: Option<&str>) -> Network {
        let subnet = Subnet { addr: [10, 0, 1, 0].into(), prefix: 24 };
        Network {
            name: name.into(),
            first: NetworkSubnet { vni: 4097, subnet, gateway: subnet.gateway() },
            further: Vec::new(),
            internal: false,
            mtu: None,
            namespace: namespace.map(Into::into),
        }
    }

    #[test]
    fn only_networks_with_a_virtual_ip_get_programs() {
        let mut desired = sample::desired(&[]);
        desired.networks = vec![
            network("front", Some("/run/docker/netns/1-abc")),
            network("back", Some("/run/docker/netns/1-def")),
            network("elsewhere", None),
        ];
        let vip = |name: &str| (name.to_owned(), [10, 0, 1, 2].into());
        desired.services[0].vips = [vip("front"), vip("elsewhere")].into();
        let hidden = hidden(&desired);
        assert_eq!(hidden, [("1-abc".to_owned(), "/run/docker/netns/1-abc".into())].into());
    }
}
