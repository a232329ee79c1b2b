//! A Swarm of streams on loopback addresses, with certificates as swarmkit makes them.
use std::{
    fmt::Debug,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tempfile::TempDir;
use tokio::{net::TcpStream, sync::watch, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::super::{
    Agent, Heard, Manager, Present, Publication, Role, Station, Stream, StreamOptions,
    identity::{CERTIFICATE, Identity, KEY, ROOTS},
    memo::Memo,
    tls,
};
use crate::source::docker::{
    Hello,
    facts::{NodeFacts, SwarmFacts},
};

/// The Swarm's id.
pub(super) const CLUSTER: &str = "swarm";
/// A limit for what must happen, far beyond what it takes, and shorter than a lease.
const PATIENCE: Duration = Duration::from_secs(50);

/// A certificate authority.
pub(super) struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(&[(DnType::CommonName, "swarm-ca")]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes the three files of a node, the key with headers as managers have them.
    pub(super) fn issue(&self, dir: &Path, cluster: &str, role: Role, node: &str) {
        let unit = match role {
            Role::Manager => "swarm-manager",
            Role::Worker => "swarm-worker",
        };
        let mut params = CertificateParams::new([unit.to_owned(), node.to_owned()]).unwrap();
        params.distinguished_name = name(&[
            (DnType::OrganizationName, cluster),
            (DnType::OrganizationalUnitName, unit),
            (DnType::CommonName, node),
        ]);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let label = "PRIVATE KEY-----\n";
        let headers = format!("{label}kek-version: 0\nraft-dek: EiAEabcdefg+hijk/l==\n\n");
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join(CERTIFICATE), certificate.pem()).unwrap();
        fs::write(dir.join(KEY), key.serialize_pem().replacen(label, &headers, 1)).unwrap();
        fs::write(dir.join(ROOTS), self.pem()).unwrap();
    }
}

fn name(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    parts.iter().for_each(|(kind, value)| name.push(kind.clone(), *value));
    name
}

/// Directories of nodes, and a port that nobody else uses.
pub(super) struct Swarm {
    pub(super) ca: Ca,
    root: TempDir,
    pub(super) port: u16,
}

impl Swarm {
    pub(super) fn new() -> Self {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        Self { ca: Ca::new(), root: tempfile::tempdir().unwrap(), port }
    }

    /// The certificates of a node, made by its Swarm.
    pub(super) fn member(&self, node: &str, role: Role) -> PathBuf {
        let dir = self.certificates(node);
        self.ca.issue(&dir, CLUSTER, role, node);
        dir
    }

    pub(super) fn certificates(&self, node: &str) -> PathBuf {
        self.root.path().join(node).join("certificates")
    }

    pub(super) fn state_dir(&self, node: &str) -> PathBuf {
        let dir = self.root.path().join(node).join("state");
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    pub(super) fn start(&self, node: &str) -> Stream {
        let options = StreamOptions {
            certificates: self.certificates(node),
            port: self.port,
            state_dir: self.state_dir(node),
        };
        Stream::start(options).unwrap()
    }

    /// A manager that serves at 127.0.0.`last` and publishes `facts`.
    pub(super) fn manager(&self, node: &str, last: u8, facts: SwarmFacts) -> Stream {
        self.member(node, Role::Manager);
        self.start_manager(node, last, facts)
    }

    /// As [`Self::manager`], with the certificates that are there.
    pub(super) fn start_manager(&self, node: &str, last: u8, facts: SwarmFacts) -> Stream {
        let stream = self.start(node);
        stream.publish(publication(facts));
        stream.stand(Station { listen: Some(address(last)), ..Station::default() });
        stream
    }

    /// A worker at 10.0.0.`last` that calls the managers.
    pub(super) fn worker(&self, node: &str, last: u8, managers: &[(&str, u8)]) -> Stream {
        self.member(node, Role::Worker);
        self.start_worker(node, last, managers)
    }

    /// As [`Self::worker`], with the certificates that are there.
    pub(super) fn start_worker(&self, node: &str, last: u8, managers: &[(&str, u8)]) -> Stream {
        let stream = self.start(node);
        stream.stand(calls(last, managers));
        stream
    }

    /// A connection to 127.0.0.`last` after the handshake, with the certificates of `node`.
    pub(super) async fn connect(&self, node: &str, last: u8) -> TlsStream<TcpStream> {
        let identity = Identity::read(&self.certificates(node)).unwrap();
        let connector = TlsConnector::from(identity.client);
        connector.connect(tls::manager_name().unwrap(), self.tcp(last).await).await.unwrap()
    }

    /// Waits until the node's file tells that these nodes are there.
    pub(super) async fn remembered(&self, node: &str, nodes: &[(&str, u8)]) {
        let (dir, wanted) = (self.state_dir(node), present(nodes));
        let told = || Memo::load(&dir).unwrap().is_some_and(|memo| memo.present == wanted);
        let written = async {
            while !told() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, written).await.unwrap();
    }

    /// A connection to 127.0.0.`last`, from when somebody listens there.
    pub(super) async fn tcp(&self, last: u8) -> TcpStream {
        let at = SocketAddr::from((address(last), self.port));
        let connected = async {
            loop {
                match TcpStream::connect(at).await {
                    Ok(stream) => return stream,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        timeout(PATIENCE, connected).await.unwrap()
    }
}

pub(super) fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, last)
}

pub(super) fn hello(last: u8) -> Hello {
    Hello { forwards: true, ..Hello::at(Ipv4Addr::new(10, 0, 0, last)) }
}

pub(super) fn present(nodes: &[(&str, u8)]) -> Present {
    let agent = |last: &u8| Agent { hello: hello(*last), is_silent: false };
    nodes.iter().map(|(node, last)| ((*node).to_owned(), agent(last))).collect()
}

pub(super) fn calls(last: u8, managers: &[(&str, u8)]) -> Station {
    let manager =
        |(node, last): &(&str, u8)| Manager { address: address(*last), node: (*node).to_owned() };
    let managers = managers.iter().map(manager).collect();
    Station { listen: None, managers, hello: Some(hello(last)) }
}

/// Facts that know these nodes.
pub(super) fn facts(nodes: &[&str]) -> SwarmFacts {
    let node =
        |node: &&str| ((*node).to_owned(), NodeFacts { has_agent: true, ..NodeFacts::default() });
    let nodes = nodes.iter().map(node).collect();
    SwarmFacts { cluster_id: CLUSTER.into(), nodes, ..SwarmFacts::default() }
}

/// The same with a number to tell them apart.
pub(super) fn numbered(nodes: &[&str], number: u16) -> SwarmFacts {
    SwarmFacts { vxlan_port: number, ..facts(nodes) }
}

pub(super) fn publication(facts: SwarmFacts) -> Publication {
    Publication { facts: Arc::new(facts), engine_answers: true }
}

/// What is heard when `wanted` holds.
pub(super) async fn heard(stream: &Stream, wanted: impl Fn(&Heard) -> bool) -> Heard {
    until(stream.heard(), wanted).await
}

/// Waits until the number in the facts heard from some manager is this one.
pub(super) async fn number_heard(stream: &Stream, number: u16) -> Heard {
    let is_it = |heard: &Heard| {
        heard.manager.is_some() && heard.facts.as_ref().is_some_and(|f| f.vxlan_port == number)
    };
    heard(stream, is_it).await
}

/// Waits until these nodes are there.
pub(super) async fn present_are(stream: &Stream, nodes: &[(&str, u8)]) {
    until(stream.present(), |now| *now == present(nodes)).await;
}

/// Waits for a problem with these words.
pub(super) async fn problem(stream: &Stream, words: &str) {
    until(stream.problems(), |all| all.values().any(|told| told.contains(words))).await;
}

async fn until<T: Clone + Debug>(
    mut channel: watch::Receiver<T>,
    wanted: impl Fn(&T) -> bool,
) -> T {
    let waited = timeout(PATIENCE, channel.wait_for(wanted)).await;
    let found = waited.ok().map(|found| found.unwrap().clone());
    found.unwrap_or_else(|| panic!("still {:?}", channel.borrow()))
}
