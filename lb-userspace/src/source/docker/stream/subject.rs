//! Who a Swarm certificate is about. swarmkit's CA puts the Swarm's id in the organisation, the role
//! in the organisational unit and the node's id in the common name (moby/swarmkit, `ca/certificates.go`).
use std::fmt;

use serde::{Deserialize, Serialize};
use x509_parser::{parse_x509_certificate, x509::AttributeTypeAndValue};

/// Organisational unit of a manager.
const MANAGER: &str = "swarm-manager";
/// Organisational unit of a worker.
const WORKER: &str = "swarm-worker";

/// What a node is in its Swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It takes part in ruling the Swarm.
    Manager,
    /// It only runs tasks.
    Worker,
}

/// Who a certificate is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The Swarm's id.
    pub cluster: String,
    /// What the node is.
    pub role: Role,
    /// The node's id.
    pub node: String,
}

/// Why a certificate is none of a Swarm node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// No X.509.
    #[error("the certificate cannot be read")]
    Encoding,
    /// A field is missing or there more than once.
    #[error("the certificate has not exactly one {0}")]
    Field(&'static str),
    /// Another organisational unit.
    #[error("the certificate's unit is neither {MANAGER} nor {WORKER}")]
    Role,
}

impl Subject {
    /// Reads a certificate. Whether it is to be believed is not looked at here.
    ///
    /// # Errors
    /// [`SubjectError`].
    pub(super) fn of(der: &[u8]) -> Result<Self, SubjectError> {
        let (_, certificate) = parse_x509_certificate(der).map_err(|_| SubjectError::Encoding)?;
        let subject = certificate.subject();
        let role = match single(subject.iter_organizational_unit(), "unit")? {
            MANAGER => Role::Manager,
            WORKER => Role::Worker,
            _ => return Err(SubjectError::Role),
        };
        let cluster = single(subject.iter_organization(), "organisation")?.to_owned();
        let node = single(subject.iter_common_name(), "common name")?.to_owned();
        Ok(Self { cluster, role, node })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Role::Manager => "manager",
            Role::Worker => "worker",
        };
        write!(f, "{role} {} of Swarm {}", self.node.escape_debug(), self.cluster.escape_debug())
    }
}

/// The one value of a field.
fn single<'a: 'b, 'b>(
    mut values: impl Iterator<Item = &'b AttributeTypeAndValue<'a>>,
    field: &'static str,
) -> Result<&'b str, SubjectError> {
    match (values.next(), values.next()) {
        (Some(value), None) => value.as_str().map_err(|_| SubjectError::Field(field)),
        _ => Err(SubjectError::Field(field)),
    }
}
