//! Which services have flows through Docker's ingress network that have not ended. While there are some,
//! all packets of their service are looked up among them, which costs: so the agent asks, from time to
//! time, once no new ones begin. Comes from what packets left in `SNAT_OUT` and `SNAT_IN`.

use std::collections::BTreeSet;

use lb_common::{
    addr::V4,
    flow::{
        SNAT_CLOSED, SNAT_FORGOTTEN, SNAT_INGRESS, SNAT_LEN, SNAT_OPEN, SnatInKey, SnatInValue,
        SnatOutKey,
    },
    port::port_index,
};

use super::{
    Dataplane,
    apply::{ApplyError, monotonic_ns},
    maps::{Maps, MapsError},
    state::found,
};

/// How long an open connection is waited for that says nothing, [`SnatInValue::used`]: longer than the
/// two hours and eleven minutes after which TCP's keepalive gives up (RFC 9293 §3.8.4, tcp(7)).
const KEPT_ALIVE: u32 = 10_058;
/// How long one that was closed on one side is, likewise: two minutes.
const CLOSING: u32 = 112;

impl Dataplane {
    /// Services that have such flows.
    ///
    /// # Errors
    /// The kernel refuses a look-up.
    pub fn services_by_ingress(&self) -> Result<BTreeSet<u16>, ApplyError> {
        Ok(self.maps.services_by_ingress((monotonic_ns()? >> 30) as u32)?)
    }
}

impl Maps {
    fn services_by_ingress(&self, now: u32) -> Result<BTreeSet<u16>, MapsError> {
        let mut services = BTreeSet::new();
        // A reader may begin anew where packets replace the element that it stands at.
        for element in self.snat_in.iter().take(2 * SNAT_LEN as usize) {
            let (key, value) = element.map_err(MapsError::element("list", "SNAT_IN"))?;
            let Some(service) = self.service_of(&key, &value) else { continue };
            if lives(&value, now)
                && !services.contains(&service)
                && self.is_by_ingress(&key, &value)?
            {
                services.insert(service);
            }
        }
        Ok(services)
    }

    fn service_of(&self, key: &SnatInKey, value: &SnatInValue<V4>) -> Option<u16> {
        let index = port_index(key.proto, u16::from_be_bytes(value.dialled_port))?;
        self.ports.get(index).filter(|port| port.is_published()).map(|port| port.service)
    }

    fn is_by_ingress(&self, key: &SnatInKey, value: &SnatInValue<V4>) -> Result<bool, MapsError> {
        let SnatInValue { client, dialled, client_port, dialled_port, .. } = *value;
        let proto = key.proto;
        let out =
            SnatOutKey { client, dialled, client_port, dialled_port, proto, reserved: [0; 3] };
        let held = found(self.snat_out.get(&out, 0), "SNAT_OUT")?;
        Ok(held.is_some_and(|held| held.flags & SNAT_INGRESS != 0))
    }
}

/// Whether more is to be expected of a flow.
fn lives(value: &SnatInValue<V4>, now: u32) -> bool {
    let idle = now.wrapping_sub(value.used);
    idle <= match value.state {
        SNAT_OPEN => KEPT_ALIVE,
        SNAT_CLOSED => CLOSING,
        _ => SNAT_FORGOTTEN,
    }
}

#[cfg(test)]
mod tests {
    use lb_common::flow::SNAT_OPENING;

    use super::*;

    #[test]
    fn an_open_connection_is_waited_for_longest() {
        let lives_after = |state, seconds: u64| {
            let value = SnatInValue {
                client: [192, 0, 2, 1],
                dialled: [192, 0, 2, 2],
                client_port: [0, 1],
                dialled_port: [0, 80],
                used: u32::MAX,
                state,
                reserved: [0; 3],
            };
            lives(&value, u32::MAX.wrapping_add(((seconds * 1_000_000_000) >> 30) as u32))
        };
        for (state, seconds) in [(SNAT_CLOSED, 110), (SNAT_OPENING, 290), (SNAT_OPEN, 8000)] {
            assert!(lives_after(state, seconds), "{state} after {seconds} s");
        }
        for (state, seconds) in [(SNAT_CLOSED, 130), (SNAT_OPENING, 310), (SNAT_OPEN, 11_000)] {
            assert!(!lives_after(state, seconds), "{state} after {seconds} s");
        }
    }
}
