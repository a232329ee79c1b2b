//! `aya::Pod` for everything that lies in a map: user space may copy these byte for byte.

use aya::Pod;

use crate::{
    addr::V4, backend::Backend, bridge::Bridge, endpoint::*, flow::*, info::*, leg::Leg,
    peer::Peer, port::PublishedPort, row::Row, service::Service, stats::ServiceStats,
};

macro_rules! pod {
    ($($type:ty),* $(,)?) => {
        $(
            // SAFETY: `repr(C)`, `Copy`, no padding (asserted sizes equal the sum of the fields),
            // and every bit pattern is a valid value; kept by the type's definition.
            unsafe impl Pod for $type {}
        )*
    };
}

pod!(
    Backend,
    Bridge,
    Leg,
    Peer,
    PublishedPort,
    Row,
    Service,
    ServiceStats,
    NatKey<V4>,
    NatValue<V4>,
    FlowKey<V4>,
    FlowValue,
    SnatOutKey<V4>,
    SnatOutValue,
    SnatInKey,
    SnatInValue<V4>,
    FragKey<V4>,
    FragValue,
    SocketKey<V4>,
    SocketValue<V4>,
    TaskKey,
    TaskInfo,
    ServiceInfo,
    NodeInfo,
    EndpointKey<V4>,
    Endpoint,
    OverlayLeg,
    VipFlowKey<V4>,
    VipFlowValue<V4>,
    NetworkInfo,
    EndpointInfo,
);
