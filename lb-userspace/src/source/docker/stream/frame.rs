//! What is said on a connection: JSON objects, each behind its length (four bytes, big endian). Both
//! sides begin with a greeting. Frames of an unknown kind are passed over, so that later versions can
//! say more.
use std::{io, time::Duration};

use bytes::Bytes;
use futures::{SinkExt, StreamExt as _};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

use super::StreamError;
use crate::source::docker::{Hello, facts::SwarmFacts};

/// Version of what is said.
const PROTOCOL: u32 = 1;
/// How often a side that has nothing to say shows that it is there.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(2);
/// After how long a silent side is gone, and one that does not take a frame.
pub(super) const SILENCE: Duration = Duration::from_secs(6);
/// The longest frame of an agent to a manager's, bytes: it says little but the ids of some hundred tasks.
pub(super) const AGENT_FRAME_MAX: usize = 64 * 1024;
/// The longest frame of a manager's agent, bytes: some hundred bytes per task.
pub(super) const MANAGER_FRAME_MAX: usize = 32 * 1024 * 1024;

/// What an agent says to a manager's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub(super) enum AgentFrame {
    /// The first frame.
    Greeting { protocol: u32 },
    /// Where it is; again when that changes.
    Hello(Hello),
    /// Nothing new.
    Alive,
    /// The agent is being detached from its node.
    Goodbye,
    /// Of a later version.
    #[serde(other)]
    Unknown,
}

/// What a manager's agent says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub(super) enum ManagerFrame {
    /// The first frame.
    Greeting { protocol: u32 },
    /// The Swarm, at first and when it changes.
    Facts { engine_answers: bool, facts: Box<SwarmFacts> },
    /// Nothing new.
    Alive,
    /// The other side is not let in.
    Refused { reason: String },
    /// The agent is being detached from its node.
    Goodbye,
    /// Of a later version.
    #[serde(other)]
    Unknown,
}

/// A side's first frame.
pub(super) trait Greet: Serialize + DeserializeOwned {
    /// The greeting of this version.
    fn greeting() -> Self;
    /// The version in it, if it is one.
    fn protocol(&self) -> Option<u32>;
}

macro_rules! greet {
    ($frame:ident) => {
        impl Greet for $frame {
            fn greeting() -> Self {
                Self::Greeting { protocol: PROTOCOL }
            }

            fn protocol(&self) -> Option<u32> {
                match self {
                    Self::Greeting { protocol } => Some(*protocol),
                    _ => None,
                }
            }
        }
    };
}
greet!(AgentFrame);
greet!(ManagerFrame);

/// A frame as it is sent.
///
/// # Errors
/// It is no JSON, which no frame of ours is.
pub(super) fn encode<F: Serialize>(frame: &F) -> Result<Bytes, StreamError> {
    serde_json::to_vec(frame).map(Bytes::from).map_err(StreamError::Frame)
}

/// Sends frames.
#[derive(Debug)]
pub(super) struct FrameWriter<W>(FramedWrite<W, LengthDelimitedCodec>);

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// No frame is longer than `max` bytes.
    pub(super) fn new(inner: W, max: usize) -> Self {
        Self(FramedWrite::new(inner, codec(max)))
    }

    /// Sends a frame that may have been encoded for many.
    ///
    /// # Errors
    /// It is too long, the connection is broken, or the other side does not take it in time.
    pub(super) async fn send_encoded(&mut self, frame: Bytes) -> Result<(), StreamError> {
        let sent = timeout(SILENCE, self.0.send(frame)).await;
        let sent = sent.map_err(|_| silence("room for a frame"))?;
        sent.map_err(StreamError::network("send"))
    }

    /// Says that no more comes.
    ///
    /// # Errors
    /// As [`Self::send_encoded`].
    pub(super) async fn close(&mut self) -> Result<(), StreamError> {
        let closed = timeout(SILENCE, SinkExt::<Bytes>::close(&mut self.0)).await;
        closed.map_err(|_| silence("end"))?.map_err(StreamError::network("end the connection"))
    }

    /// Encodes a frame and sends it.
    ///
    /// # Errors
    /// As [`Self::send_encoded`].
    pub(super) async fn send<F: Serialize>(&mut self, frame: &F) -> Result<(), StreamError> {
        self.send_encoded(encode(frame)?).await
    }
}

/// Receives frames.
#[derive(Debug)]
pub(super) struct FrameReader<R>(FramedRead<R, LengthDelimitedCodec>);

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Frames longer than `max` bytes end the connection.
    pub(super) fn new(inner: R, max: usize) -> Self {
        Self(FramedRead::new(inner, codec(max)))
    }

    /// The next frame.
    ///
    /// # Errors
    /// None comes in time, it is none of the protocol, or the connection has ended.
    pub(super) async fn next<F: DeserializeOwned>(&mut self) -> Result<F, StreamError> {
        let received = timeout(SILENCE, self.0.next()).await;
        let received = received.map_err(|_| silence("word of the other side"))?;
        let frame = received.ok_or(StreamError::Ended)?.map_err(|error| match error.kind() {
            // Without a TLS goodbye, as when a process is killed.
            io::ErrorKind::UnexpectedEof => StreamError::Ended,
            _ => StreamError::Network { action: "receive", source: error },
        })?;
        serde_json::from_slice(&frame).map_err(StreamError::Frame)
    }

    /// The other side's greeting.
    ///
    /// # Errors
    /// As [`Self::next`]; it is no greeting, or of a version that is not understood here.
    pub(super) async fn greeted<F: Greet>(&mut self) -> Result<(), StreamError> {
        match self.next::<F>().await?.protocol() {
            Some(PROTOCOL) => Ok(()),
            Some(theirs) => Err(StreamError::Protocol { theirs, ours: PROTOCOL }),
            None => Err(StreamError::NoGreeting),
        }
    }
}

fn silence(awaited: &'static str) -> StreamError {
    StreamError::Silence { awaited, patience: SILENCE }
}

fn codec(max: usize) -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(max).new_codec()
}
