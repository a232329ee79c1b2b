//! Services as the managers keep them.

use std::collections::BTreeMap;

use bollard::models::{
    EndpointPortConfig, EndpointPortConfigProtocolEnum as Transport,
    EndpointPortConfigPublishModeEnum as PublishMode, EndpointSpecModeEnum as EndpointMode,
    Service, ServiceEndpoint, ServiceSpec,
};

use super::addr_of;
use crate::{
    model::Protocol,
    source::docker::facts::{PortFacts, ServiceFacts},
};

/// Labels that are meant for swarmlb.
const LABELS: &str = "swarmlb.";

/// Facts about services, by id.
pub(in crate::source::docker) fn services(documents: &[Service]) -> BTreeMap<String, ServiceFacts> {
    documents.iter().filter_map(|service| Some((service.id.clone()?, facts(service)?))).collect()
}

fn facts(service: &Service) -> Option<ServiceFacts> {
    let spec = service.spec.as_ref()?;
    let endpoint = service.endpoint.as_ref();
    Some(ServiceFacts {
        name: spec.name.clone()?,
        labels: labels(spec),
        is_dnsrr: mode(spec) == Some(EndpointMode::DNSRR),
        vips: endpoint.map(vips).unwrap_or_default(),
        ports: endpoint.map(ports).unwrap_or_default(),
    })
}

/// The mode that was asked for: the endpoint as it is says nothing of a service without VIP.
fn mode(spec: &ServiceSpec) -> Option<EndpointMode> {
    spec.endpoint_spec.as_ref().and_then(|endpoint| endpoint.mode)
}

fn labels(spec: &ServiceSpec) -> BTreeMap<String, String> {
    let all = spec.labels.iter().flatten();
    let ours = all.filter(|(label, _)| label.starts_with(LABELS));
    ours.map(|(label, value)| (label.clone(), value.clone())).collect()
}

fn vips(endpoint: &ServiceEndpoint) -> BTreeMap<String, std::net::Ipv4Addr> {
    let all = endpoint.virtual_ips.iter().flatten();
    all.filter_map(|vip| Some((vip.network_id.clone()?, addr_of(vip.addr.as_deref()?)?))).collect()
}

/// The ports as allocated; those in host mode are Docker's, and SCTP is not carried.
fn ports(endpoint: &ServiceEndpoint) -> Vec<PortFacts> {
    let mut ports: Vec<_> = endpoint.ports.iter().flatten().filter_map(port).collect();
    ports.sort_unstable();
    ports
}

fn port(port: &EndpointPortConfig) -> Option<PortFacts> {
    let protocol = match port.protocol {
        None | Some(Transport::EMPTY | Transport::TCP) => Protocol::Tcp,
        Some(Transport::UDP) => Protocol::Udp,
        Some(Transport::SCTP) => return None,
    };
    let number = |port: Option<i64>| port.and_then(|port| port.try_into().ok());
    let is_ours = port.publish_mode != Some(PublishMode::HOST);
    let published = number(port.published_port).filter(|port| is_ours && *port != 0)?;
    Some(PortFacts { protocol: Some(protocol), published, target: number(port.target_port)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::documents::document;

    fn named(name: &str) -> ServiceFacts {
        let all = services(&document::<Vec<_>>("services.json"));
        all.into_values().find(|service| service.name == name).expect("a service")
    }

    #[test]
    fn a_service_has_its_vips_and_ports() {
        let whoami = named("whoami");
        let port =
            |protocol, published| PortFacts { protocol: Some(protocol), published, target: 80 };
        assert_eq!(whoami.ports, [port(Protocol::Tcp, 8080), port(Protocol::Udp, 8053)]);
        let vips: Vec<_> = whoami.vips.values().map(ToString::to_string).collect();
        assert_eq!(vips, ["10.103.0.2", "10.0.0.5"]);
        assert!(!whoami.is_dnsrr);
    }

    #[test]
    fn only_labels_for_swarmlb_are_kept() {
        let labels = named("whoami").labels;
        assert_eq!(labels, BTreeMap::from([("swarmlb.scheduler".to_owned(), "rr".to_owned())]));
    }

    #[test]
    fn ports_in_host_mode_and_sctp_are_not_ours() {
        let hostmode = named("hostmode");
        assert_eq!(hostmode.ports, []);
        assert_eq!(hostmode.vips.len(), 2);
    }

    #[test]
    fn a_service_without_vip_is_known_by_what_was_asked() {
        let dns = named("dns");
        assert!(dns.is_dnsrr && dns.vips.is_empty() && dns.ports.is_empty());
    }
}
