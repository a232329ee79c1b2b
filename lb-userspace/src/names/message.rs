//! DNS messages: bytes to a question for the zone, the zone's answer to bytes. Pure but for the order
//! of addresses, which is random so that clients that take the first one spread.
use std::net::Ipv4Addr;

use hickory_proto::{
    op::{Edns, Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode},
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{A, PTR},
    },
    serialize::binary::{BinDecodable as _, BinDecoder, BinEncodable as _, BinEncoder},
};
use rand::seq::SliceRandom as _;

use super::zone::{Answer, Question};

/// How long an answer may be kept, seconds: as short as resolvers honour, because names follow their
/// tasks at once. (Docker's 600 s keep clients on tasks that are gone.)
pub const TTL_SECS: u32 = 1;
/// What a client without EDNS takes over UDP, bytes (RFC 1035, 4.2.1).
const PLAIN_UDP_MAX: usize = 512;
/// What we take and at most send over UDP, bytes: `lo` carries it in one piece.
const UDP_MAX: u16 = 4096;
/// What TCP carries, bytes.
const TCP_MAX: usize = u16::MAX as usize;
/// Our OPT record, bytes: root, type, class, TTL, length.
const OPT_LEN: usize = 1 + 2 + 2 + 4 + 2;

/// How a message came, hence how it goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// In a datagram.
    Udp,
    /// In a stream.
    Tcp,
}

/// A well-formed query with one question.
#[derive(Clone, Debug)]
pub(super) struct Request {
    metadata: Metadata,
    query: Query,
    edns: Option<Edns>,
    name: String,
    transport: Transport,
}

/// What a message turned out to be.
#[derive(Debug)]
pub(super) enum Received {
    /// A question.
    Request(Box<Request>),
    /// Refused; the reply says why.
    Refused(Vec<u8>),
    /// No query at all; nothing is said to it.
    Noise,
}

/// Reads what a client sent.
pub(super) fn read(bytes: &[u8], transport: Transport) -> Received {
    let Ok(header) = Header::read(&mut BinDecoder::new(bytes)) else { return Received::Noise };
    if header.message_type != MessageType::Query {
        return Received::Noise;
    }
    let refused = |code| Received::Refused(error(&header.metadata, code));
    if header.op_code != OpCode::Query {
        return refused(ResponseCode::NotImp);
    }
    let Ok(mut message) = Message::from_vec(bytes) else { return refused(ResponseCode::FormErr) };
    let (Some(query), true) = (message.queries.pop(), message.queries.is_empty()) else {
        return refused(ResponseCode::FormErr);
    };
    let name = query.name().to_ascii();
    let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
    let (metadata, edns) = (message.metadata, message.edns);
    Received::Request(Box::new(Request { metadata, query, edns, name, transport }))
}

/// Whether `reply` answers `query`; both as they are on the wire.
pub(super) fn answers(query: &[u8], reply: &[u8]) -> bool {
    match (question(query), question(reply)) {
        (Some((asked, questions)), Some((answered, same))) => {
            answered.message_type == MessageType::Response
                && answered.id == asked.id
                && (same.is_empty() || same == questions)
        }
        _ => false,
    }
}

/// The response code of a reply, and whether it was cut short.
pub(super) fn outcome(reply: &[u8]) -> Option<(ResponseCode, bool)> {
    let header = Header::read(&mut BinDecoder::new(reply)).ok()?;
    Some((header.response_code, header.truncation))
}

fn question(bytes: &[u8]) -> Option<(Header, Vec<Query>)> {
    let mut decoder = BinDecoder::new(bytes);
    let header = Header::read(&mut decoder).ok()?;
    let questions = Message::read_queries(&mut decoder, usize::from(header.counts.queries)).ok()?;
    Some((header, questions))
}

/// A bare reply with the code.
fn error(request: &Metadata, code: ResponseCode) -> Vec<u8> {
    let mut message = Message::error_msg(request.id, request.op_code, code);
    message.metadata.recursion_desired = request.recursion_desired;
    encode(&message)
}

fn encode(message: &Message) -> Vec<u8> {
    // Fails for names and counts only that cannot be in a message that was read.
    message.to_vec().unwrap_or_default()
}

impl Request {
    /// The question, in the zone's words; `None`: of another class than the Internet's.
    pub(super) fn question(&self) -> Option<Question<'_>> {
        if self.query.query_class() != DNSClass::IN {
            return None;
        }
        Some(match self.query.query_type() {
            RecordType::A | RecordType::ANY => Question::Addresses(&self.name),
            RecordType::AAAA => Question::Addresses6(&self.name),
            RecordType::PTR => self.address().map_or(Question::Other(&self.name), Question::Name),
            _ => Question::Other(&self.name),
        })
    }

    /// The address that a PTR question is about.
    fn address(&self) -> Option<Ipv4Addr> {
        let (octets, zone) = self.name.split_at_checked(self.name.len().checked_sub(13)?)?;
        let reversed: Ipv4Addr = octets.parse().ok()?;
        let [a, b, c, d] = reversed.octets();
        zone.eq_ignore_ascii_case(".in-addr.arpa").then(|| Ipv4Addr::new(d, c, b, a))
    }

    /// The reply that carries the zone's answer. [`Answer::Ask`] has none of its own: nobody knew.
    pub(super) fn reply(&self, answer: Answer) -> Vec<u8> {
        let name = self.query.name();
        let (code, records) = match answer {
            Answer::Addresses(addresses) => (ResponseCode::NoError, shuffled(name, addresses)),
            Answer::Name(target) => (ResponseCode::NoError, pointer(name, &target)),
            Answer::Nothing => (ResponseCode::NoError, Vec::new()),
            Answer::NoSuchName => (ResponseCode::NXDomain, Vec::new()),
            Answer::Ask | Answer::Secluded => (ResponseCode::ServFail, Vec::new()),
            Answer::Stranger => (ResponseCode::Refused, Vec::new()),
        };
        self.message(code, records)
    }

    /// The reply to one question too many.
    pub(super) fn refusal(&self) -> Vec<u8> {
        self.message(ResponseCode::Refused, Vec::new())
    }

    fn message(&self, code: ResponseCode, records: Vec<Record>) -> Vec<u8> {
        let mut message = Message::response(self.metadata.id, OpCode::Query);
        message.metadata = Metadata::response_from_request(&self.metadata);
        message.metadata.recursion_available = true;
        message.metadata.response_code = code;
        message.add_query(self.query.clone());
        message.add_answers(records);
        message.edns = self.edns.as_ref().map(|_| own_edns());
        self.fit(message)
    }

    /// Leaves out what the client cannot take and says so, whereupon it asks again over TCP.
    fn fit(&self, mut message: Message) -> Vec<u8> {
        let bytes = encode(&message);
        if bytes.len() <= self.takes() {
            return bytes;
        }
        let edns = message.edns.take();
        let room = self.takes() - edns.as_ref().map_or(0, |_| OPT_LEN);
        message.answers.truncate(fitting(&message, room));
        message.edns = edns;
        message.metadata.truncation = true;
        encode(&message)
    }

    /// The largest reply that the client takes, bytes.
    fn takes(&self) -> usize {
        match (self.transport, &self.edns) {
            (Transport::Tcp, _) => TCP_MAX,
            (Transport::Udp, None) => PLAIN_UDP_MAX,
            (Transport::Udp, Some(edns)) => {
                usize::from(edns.max_payload().min(UDP_MAX)).max(PLAIN_UDP_MAX)
            }
        }
    }
}

/// How many of the answers fit into that many bytes.
fn fitting(message: &Message, room: usize) -> usize {
    let mut buffer = Vec::new();
    let mut encoder = BinEncoder::new(&mut buffer);
    encoder.set_max_size(u16::try_from(room).unwrap_or(u16::MAX));
    let emitted = message.emit(&mut encoder).is_ok();
    let header = Header::read(&mut BinDecoder::new(&buffer)).ok().filter(|_| emitted);
    header.map_or(0, |header| usize::from(header.counts.answers))
}

/// A responder must tell its own EDNS where the client told its (RFC 6891, 6.1.1).
fn own_edns() -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_MAX).set_version(0);
    edns
}

fn shuffled(name: &Name, mut addresses: Vec<Ipv4Addr>) -> Vec<Record> {
    addresses.shuffle(&mut rand::rng());
    let record = |address| Record::from_rdata(name.clone(), TTL_SECS, RData::A(A(address)));
    addresses.into_iter().map(record).collect()
}

fn pointer(name: &Name, target: &str) -> Vec<Record> {
    // Names of the cluster file that DNS cannot carry, such as `a..b`, have no pointer.
    let target = Name::from_labels(target.split('.').map(str::as_bytes));
    let record = |target| Record::from_rdata(name.clone(), TTL_SECS, RData::PTR(PTR(target)));
    target.map(record).into_iter().collect()
}
