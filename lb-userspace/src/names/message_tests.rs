//! Messages as they are on the wire: what is read, refused, cut short, and never answered wrongly.
use std::{collections::BTreeSet, net::Ipv4Addr};

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RData, RecordType},
};
use proptest::prelude::*;

use super::{
    message::{Received, Request, TTL_SECS, Transport, answers, outcome, read},
    zone::{Answer, Question},
};

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.id = 0x1234;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn request(message: &Message, transport: Transport) -> Box<Request> {
    match read(&message.to_vec().unwrap(), transport) {
        Received::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

fn reply(message: &Message, transport: Transport, answer: Answer) -> Message {
    Message::from_vec(&request(message, transport).reply(answer)).unwrap()
}

fn many(count: u8) -> Answer {
    Answer::Addresses((0..count).map(|last| Ipv4Addr::new(10, 0, 0, last)).collect())
}

fn addresses(message: &Message) -> Vec<Ipv4Addr> {
    let address = |record: &hickory_proto::rr::Record| match record.data {
        RData::A(address) => Some(address.0),
        _ => None,
    };
    message.answers.iter().filter_map(address).collect()
}

#[test]
fn questions_reach_the_zone_in_its_words() {
    let asked = |name, kind| request(&query(name, kind), Transport::Udp);
    let of = |name, kind| format!("{:?}", asked(name, kind).question());
    assert_eq!(asked("Mongo.", RecordType::A).question(), Some(Question::Addresses("Mongo")));
    assert_eq!(asked("mongo.", RecordType::ANY).question(), Some(Question::Addresses("mongo")));
    assert_eq!(asked("mongo.", RecordType::AAAA).question(), Some(Question::Addresses6("mongo")));
    assert_eq!(asked("mongo.", RecordType::MX).question(), Some(Question::Other("mongo")));
    let reverse = asked("9.2.0.10.IN-ADDR.arpa.", RecordType::PTR);
    assert_eq!(reverse.question(), Some(Question::Name(Ipv4Addr::new(10, 0, 2, 9))));
    for odd in ["2.0.10.in-addr.arpa.", "300.2.0.10.in-addr.arpa.", "1.0.0.ip6.arpa.", "x."] {
        assert!(of(odd, RecordType::PTR).contains("Other"), "{odd}");
    }
}

#[test]
fn another_class_is_none_of_ours() {
    let mut message = query("version.bind.", RecordType::TXT);
    message.queries[0].set_query_class(DNSClass::CH);
    let request = request(&message, Transport::Udp);
    assert_eq!(request.question(), None);
    let (code, _) = outcome(&request.refusal()).unwrap();
    assert_eq!(code, ResponseCode::Refused);
}

#[test]
fn a_reply_repeats_the_question_and_says_that_we_recurse() {
    let asked = query("mongo.", RecordType::A);
    let reply = reply(&asked, Transport::Udp, many(1));
    assert_eq!((reply.id, reply.message_type), (0x1234, MessageType::Response));
    assert!(reply.recursion_desired && reply.recursion_available && !reply.authoritative);
    assert_eq!(reply.queries, asked.queries);
    assert_eq!((reply.answers[0].ttl, addresses(&reply)), (TTL_SECS, vec![[10, 0, 0, 0].into()]));
    assert!(reply.edns.is_none(), "the client did not speak EDNS");
}

#[test]
fn each_answer_has_its_code() {
    let code = |answer| {
        let reply = reply(&query("mongo.", RecordType::A), Transport::Udp, answer);
        (reply.response_code, reply.answers.len())
    };
    assert_eq!(code(Answer::Nothing), (ResponseCode::NoError, 0));
    assert_eq!(code(Answer::NoSuchName), (ResponseCode::NXDomain, 0));
    assert_eq!(code(Answer::Secluded), (ResponseCode::ServFail, 0));
    assert_eq!(code(Answer::Ask), (ResponseCode::ServFail, 0));
    assert_eq!(code(Answer::Stranger), (ResponseCode::Refused, 0));
    assert_eq!(code(Answer::Name("a.b".into())), (ResponseCode::NoError, 1));
    assert_eq!(code(Answer::Name("a..b".into())), (ResponseCode::NoError, 0));
}

#[test]
fn f54_addresses_come_in_random_order() {
    let asked = query("mongo.", RecordType::A);
    let first = |_| addresses(&reply(&asked, Transport::Udp, many(4)))[0];
    let firsts: BTreeSet<_> = (0..200).map(first).collect();
    assert_eq!(firsts.len(), 4, "after 200 answers each address has been first");
}

#[test]
fn f57_what_does_not_fit_is_cut_and_said_so() {
    let plain = query("mongo.", RecordType::A);
    let mut edns = plain.clone();
    edns.set_edns(Edns::new()).edns.as_mut().unwrap().set_max_payload(1232);
    for (asked, transport, most, cut) in [
        (&plain, Transport::Udp, 512, true),
        (&edns, Transport::Udp, 1232, true),
        (&plain, Transport::Tcp, 65535, false),
    ] {
        let bytes = request(asked, transport).reply(many(200));
        let reply = Message::from_vec(&bytes).unwrap();
        assert!(
            bytes.len() <= most && bytes.len() > most.min(3000) - 32,
            "{} of {most}",
            bytes.len()
        );
        assert_eq!(reply.truncation, cut);
        assert_eq!(addresses(&reply).len() == 200, !cut);
        assert_eq!(reply.edns.is_some(), asked.edns.is_some(), "EDNS is answered with EDNS");
    }
}

#[test]
fn a_silly_edns_size_counts_as_the_least_there_is() {
    let mut asked = query("mongo.", RecordType::A);
    asked.set_edns(Edns::new()).edns.as_mut().unwrap().set_max_payload(0);
    let bytes = request(&asked, Transport::Udp).reply(many(20));
    assert_eq!(addresses(&Message::from_vec(&bytes).unwrap()).len(), 20);
}

#[test]
fn what_is_no_query_is_refused_or_left_alone() {
    let code = |message: &Message| match read(&message.to_vec().unwrap(), Transport::Udp) {
        Received::Refused(reply) => outcome(&reply).unwrap().0,
        other => panic!("{other:?}"),
    };
    let mut update = query("a.", RecordType::A);
    update.metadata.op_code = OpCode::Update;
    assert_eq!(code(&update), ResponseCode::NotImp);
    let mut two = query("a.", RecordType::A);
    two.add_query(Query::query(Name::root(), RecordType::A));
    assert_eq!(code(&two), ResponseCode::FormErr);
    let bytes = query("abc.", RecordType::A).to_vec().unwrap();
    assert!(matches!(read(&bytes[..15], Transport::Udp), Received::Refused(_)));
    assert!(matches!(read(&bytes[..11], Transport::Udp), Received::Noise));
    let mut reply = query("a.", RecordType::A);
    reply.metadata.message_type = MessageType::Response;
    assert!(matches!(read(&reply.to_vec().unwrap(), Transport::Udp), Received::Noise));
}

#[test]
fn a_reply_must_match_its_question() {
    let asked = query("mongo.", RecordType::A);
    let bytes = asked.to_vec().unwrap();
    let mut good = asked.clone();
    good.metadata.message_type = MessageType::Response;
    assert!(answers(&bytes, &good.to_vec().unwrap()));
    assert!(!answers(&bytes, &bytes), "a question answers nothing");
    let mut other_id = good.clone();
    other_id.metadata.id ^= 1;
    assert!(!answers(&bytes, &other_id.to_vec().unwrap()));
    let mut other_name = good.clone();
    other_name.queries[0].set_name(Name::from_ascii("other.").unwrap());
    assert!(!answers(&bytes, &other_name.to_vec().unwrap()));
    assert!(!answers(&bytes, &[]));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        exercise(&bytes);
    }

    #[test]
    fn any_damage_is_survived(
        at in prop::collection::vec((0_usize..64, any::<u8>()), 0..6), cut in 0_usize..64,
    ) {
        let mut message = query("tasks.mongo.network.", RecordType::PTR);
        message.set_edns(Edns::new());
        let mut bytes = message.to_vec().unwrap();
        let len = bytes.len();
        at.into_iter().for_each(|(place, byte)| bytes[place % len] = byte);
        bytes.truncate(len - cut.min(len));
        exercise(&bytes);
    }
}

/// Whatever it is: a request is answered with a message that answers it.
fn exercise(bytes: &[u8]) {
    for transport in [Transport::Udp, Transport::Tcp] {
        match read(bytes, transport) {
            Received::Request(request) => {
                let _ = request.question();
                for answer in [many(3), many(255), Answer::Nothing, Answer::Name("a.b".into())] {
                    let reply = request.reply(answer);
                    assert!(answers(bytes, &reply), "{bytes:?} {reply:?}");
                }
            }
            Received::Refused(reply) => assert_eq!(reply[..2], bytes[..2]),
            Received::Noise => {}
        }
    }
    let _ = outcome(bytes);
}
