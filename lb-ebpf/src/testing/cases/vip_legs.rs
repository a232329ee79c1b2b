//! Virtual IPs on legs that a Docker Engine made: its bridge carries the frames.

use lb_common::{
    addr::{V4, mac_of},
    drops::Reason,
    endpoint::{ANY_VNI, EndpointKey, VIPFLOW_ANSWERED},
    port::{ICMP, TCP, UDP},
};

use super::{
    Case,
    Hook::{VipIn, VipOut},
    sending::{rst, to},
    vips::{at, back, datagram, seen},
};
use crate::{
    headers::{ACK, CODE_PORT, RST, SYN},
    testing::*,
};

const PORT: u16 = 27_017;
const CLIENT_PORT: u16 = 40_000;

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::beside_docker(*on);
    [asked(&world, on), pinged(&world, on), balanced(&world, on), subnets(&world, on)]
        .into_iter()
        .chain([nobody(&world, on), direct(&world, on), pieces(&world, on), errors(&world, on)])
        .chain([dockers(&world, on), not_carried(&world, on)])
        .chain(std::iter::once(itself(&world, on)))
        .flatten()
        .collect()
}

/// The node end of [`ME`]'s leg.
fn leg(on: &Interfaces) -> u32 {
    on.overlay[0]
}

/// All new flows to [`VIP`] go to this backend.
fn towards(world: &World, backend: u16) -> World {
    let mut world = world.clone();
    world.set_rows(VIP_SERVICE, &[row([backend])]);
    world
}

fn asked(world: &World, on: &Interfaces) -> Vec<Case> {
    let me = (mac_of(ME), ME);
    let ask = |target| Arp::request(me, target);
    let probe = Arp::request((me.0, [0; 4]), VIP);
    let announcement = Arp::request((me.0, VIP), VIP).bytes();
    let reply = Arp { operation: ARP_REPLY, ..ask(VIP) }.bytes();
    let answered = |name, question: Arp| {
        let answer = question.answered_by(mac_of(VIP)).bytes();
        Case::new(name, world).sends(VipOut(leg(on)), &question.bytes(), leg(on), &answer)
    };
    let passes = |name, frame: &[u8]| Case::new(name, world).passes(VipOut(leg(on)), frame);
    vec![
        answered("a virtual IP in Docker's network is asked for", ask(VIP)),
        answered("and probed for", probe),
        passes("a task in Docker's network answers for itself", &ask(MONGO_HERE).bytes()),
        passes("and a gateway", &ask(OVERLAY_GATEWAY).bytes()),
        passes("and whom nobody knows", &ask(NOBODY).bytes()),
        passes("a task announces a virtual IP that it has itself", &announcement),
        passes("a task answers in a virtual IP's name", &reply),
        passes("ARP in Docker's network that is cut short", &ask(VIP).bytes()[..41]),
    ]
}

fn pinged(world: &World, on: &Interfaces) -> Vec<Case> {
    let ping = |dst: V4| Echo::request(ME, dst).between(mac_of(dst), mac_of(ME));
    let first = Echo { frags: 0x2000, payload: vec![1; 16], ..ping(VIP) };
    let later = Frame { frags: 3, proto: ICMP, ..to(VIP) };
    let later_back = later.clone().from((VIP, 0)).to((ME, 0)).between(mac_of(ME), mac_of(VIP));
    let case = |name, request: &Echo| {
        let reply = request.clone().reply().bytes();
        Case::new(name, world).sends(VipOut(leg(on)), &request.bytes(), leg(on), &reply)
    };
    vec![
        case("a virtual IP in Docker's network is pinged", &ping(VIP)),
        case("and without tasks", &ping(EMPTY_VIP)),
        case("and by a large ping", &first).sends(
            VipOut(leg(on)),
            &later.bytes(),
            leg(on),
            &later_back.bytes(),
        ),
        Case::new("a task in Docker's network is pinged", world)
            .passes(VipOut(leg(on)), &ping(MONGO_HERE).bytes())
            .passes(VipIn(leg(on)), &ping(MONGO_HERE).reply().bytes()),
    ]
}

fn balanced(world: &World, on: &Interfaces) -> Vec<Case> {
    let (out, home) = (VipOut(leg(on)), VipIn(leg(on)));
    let round = |name, (number, addr): (u16, V4), sent: Frame, answer: Frame| {
        let world = towards(world, number);
        let mac = world.endpoints[&EndpointKey { vni: ANY_VNI, addr }].mac;
        let got = at(addr, &sent).between(mac, mac_of(ME)).bytes();
        Case::new(name, &world)
            .bridges(out, &sent.bytes(), &got)
            .bridges(home, &answer.bytes(), &seen(VIP, &answer))
            .bridges(out, &sent.bytes(), &got)
    };
    let syn = to(VIP).flags(SYN).mss(1410);
    let accepted = |addr| back(addr, &syn).flags(SYN | ACK).mss(1410);
    let unchecked = Frame { udp_checksum: false, ..datagram(VIP) };
    vec![
        round(
            "a virtual IP in Docker's network, its task here",
            (A, MONGO_HERE),
            syn.clone(),
            accepted(MONGO_HERE),
        ),
        round("and elsewhere", (ON_2, MONGO_ON_2), syn.clone(), accepted(MONGO_ON_2)),
        round(
            "a datagram in Docker's network",
            (ON_2, MONGO_ON_2),
            datagram(VIP),
            back(MONGO_ON_2, &datagram(VIP)),
        ),
        round(
            "and without checksum",
            (ON_2, MONGO_ON_2),
            unchecked.clone(),
            back(MONGO_ON_2, &unchecked),
        ),
    ]
}

/// Each subnet has a bridge of its own.
fn subnets(world: &World, on: &Interfaces) -> Vec<Case> {
    let syn = to(VIP).flags(SYN);
    let second = syn.clone().from((SECOND, CLIENT_PORT));
    let second = second.between(mac_of(OVERLAY_GATEWAY_2), mac_of(SECOND));
    let on_3 = towards(world, ON_3);
    let near = second.clone().to((MONGO_ON_3, PORT)).between(CUSTOM_MAC, mac_of(SECOND));
    // Somewhere that the namespace has a route to.
    let addr = CLIENT.0;
    let mut routed = on_3.clone();
    routed.backend_mut(VIP_SERVICE, ON_3).addr = addr;
    let key = |addr| EndpointKey { vni: ANY_VNI, addr };
    let endpoint = routed.endpoints[&key(MONGO_ON_3)];
    routed.endpoints.insert(key(addr), endpoint);
    let away = syn.clone().to((addr, PORT));
    vec![
        Case::new("a task of the second subnet of Docker's network dials one there", &on_3)
            .bridges(VipOut(on.overlay[2]), &second.bytes(), &near.bytes()),
        Case::new("a task in another subnet of Docker's network", &routed).asks(
            VipOut(leg(on)),
            &syn.bytes(),
            on.nic,
            &away.bytes(),
        ),
        Case::new("and where Docker's namespace does not forward", &on_3).drops(
            VipOut(leg(on)),
            &syn.bytes(),
            Reason::NoNextHop,
        ),
    ]
}

fn itself(world: &World, on: &Interfaces) -> Vec<Case> {
    let mongo = on.overlay[1];
    let syn = to(VIP).flags(SYN).from((MONGO_HERE, 50_000));
    let syn = syn.between(mac_of(VIP), mac_of(MONGO_HERE));
    let turned = |frame: &Frame| {
        let from_vip = frame.clone().from((VIP, frame.src_port)).to((MONGO_HERE, frame.dst_port));
        from_vip.between(mac_of(MONGO_HERE), mac_of(VIP)).bytes()
    };
    let answer = syn.clone().flags(SYN | ACK).from((MONGO_HERE, PORT)).to((VIP, 50_000));
    let ack = syn.clone().flags(ACK);
    vec![
        Case::new("a task in Docker's network may reach itself by its virtual IP", world)
            .delivers(VipOut(mongo), &syn.bytes(), mongo, &turned(&syn))
            .delivers(VipOut(mongo), &answer.bytes(), mongo, &turned(&answer))
            .delivers(VipOut(mongo), &ack.bytes(), mongo, &turned(&ack))
            .passes(VipIn(mongo), &turned(&ack)),
    ]
}

fn nobody(world: &World, on: &Interfaces) -> Vec<Case> {
    let out = VipOut(leg(on));
    let syn = to(EMPTY_VIP).flags(SYN);
    let question = datagram(EMPTY_VIP);
    let told = IcmpError::unreachable(EMPTY_VIP, CODE_PORT, &question);
    let told = told.between(mac_of(ME), mac_of(EMPTY_VIP)).bytes();
    let mut gone = world.clone();
    gone.endpoints.remove(&EndpointKey { vni: ANY_VNI, addr: MONGO_HERE });
    let at_vip = to(VIP).flags(SYN);
    vec![
        Case::new("a virtual IP without tasks in Docker's network refuses", world)
            .sends(out, &syn.bytes(), leg(on), &rst(&syn).bytes())
            .counting(Reason::NoBackend)
            .sends(out, &question.bytes(), leg(on), &told)
            .counting(Reason::NoBackend)
            .drops(out, &to(EMPTY_VIP).flags(RST).bytes(), Reason::NoBackend),
        Case::new("a chosen task that Docker's network lacks", &gone)
            .sends(out, &at_vip.bytes(), leg(on), &rst(&at_vip).bytes())
            .counting(Reason::TaskGone),
    ]
}

/// The world with a flow of [`ME`] to [`VIP`], which went to [`MONGO_ON_2`] and was answered.
fn flowing(world: &World, proto: u8) -> World {
    let mut world = towards(world, ON_2);
    let key = vip_key(CLIENT_PORT, MONGO_ON_2, PORT, proto);
    let key = lb_common::endpoint::VipFlowKey { vni: ANY_VNI, ..key };
    world.vip_flows.get_mut().insert(key, vip_flow(ON_2, VIPFLOW_ANSWERED));
    world
}

fn direct(world: &World, on: &Interfaces) -> Vec<Case> {
    let (out, home) = (VipOut(leg(on)), VipIn(leg(on)));
    let forgets = |name, proto: u8, flags: u8| {
        let sent = Frame { proto, ..to(MONGO_ON_2) }.flags(flags);
        let answer = back(MONGO_ON_2, &sent).flags(ACK).bytes();
        Case::new(name, &flowing(world, proto)).passes(out, &sent.bytes()).passes(home, &answer)
    };
    let kept = flowing(world, TCP);
    let answer = back(MONGO_ON_2, &to(MONGO_ON_2));
    let moved = towards(&kept, ON_3);
    let ack = to(VIP);
    vec![
        forgets("a connection to a task in Docker's network is none to its virtual IP", TCP, SYN),
        forgets("nor is a datagram there", UDP, 0),
        Case::new("a segment of no new connection in Docker's network forgets nothing", &kept)
            .passes(out, &to(MONGO_ON_2).bytes())
            .bridges(home, &answer.bytes(), &seen(VIP, &answer)),
        Case::new("a connection in Docker's network keeps its task", &{
            let mut world = moved;
            world.set_rows(VIP_SERVICE, &[row([ON_3, ON_2])]);
            world
        })
        .bridges(out, &ack.bytes(), &at(MONGO_ON_2, &ack).bytes()),
    ]
}

fn pieces(world: &World, on: &Interfaces) -> Vec<Case> {
    let (out, home) = (VipOut(leg(on)), VipIn(leg(on)));
    let world = towards(world, ON_2);
    let first = Frame { frags: 0x2000, payload: vec![1; 16], ..datagram(VIP) };
    let later = Frame { frags: 3, payload: vec![2; 16], ..datagram(VIP) };
    let answer = back(MONGO_ON_2, &datagram(VIP));
    let answer_first = Frame { frags: 0x2000, payload: vec![1; 16], ..answer.clone() };
    let answer_later = Frame { frags: 3, payload: vec![2; 16], ..answer };
    vec![
        Case::new("pieces of a datagram in Docker's network follow the first one", &world)
            .bridges(out, &first.bytes(), &at(MONGO_ON_2, &first).bytes())
            .bridges(out, &later.bytes(), &at(MONGO_ON_2, &later).bytes())
            .bridges(home, &answer_first.bytes(), &seen(VIP, &answer_first))
            .bridges(home, &answer_later.bytes(), &seen(VIP, &answer_later)),
        Case::new("a piece in Docker's network whose first one was not seen", &world)
            .drops(out, &later.bytes(), Reason::Malformed)
            .passes(home, &answer_later.bytes()),
    ]
}

fn errors(world: &World, on: &Interfaces) -> Vec<Case> {
    let (out, home) = (VipOut(leg(on)), VipIn(leg(on)));
    let known = flowing(world, UDP);
    let sent = |dst: V4| Frame { udp_checksum: false, ..datagram(dst) };
    let error = |src: V4, dst: V4, quoted: &Frame| IcmpError {
        src,
        dst,
        ..IcmpError::unreachable(src, CODE_PORT, quoted)
    };
    let no = |src: V4, quoted: &Frame| {
        error(src, ME, quoted).between(mac_of(ME), mac_of(MONGO_ON_2)).bytes()
    };
    let answer = |src: V4| Frame { udp_checksum: false, ..back(src, &datagram(VIP)) };
    let complaint = |dst: V4| error(ME, dst, &answer(dst)).between(mac_of(dst), mac_of(ME)).bytes();
    let others = error(ME, VIP, &answer(VIP).to((MONGO_HERE, CLIENT_PORT)));
    let forged = others.between(mac_of(VIP), mac_of(ME)).bytes();
    vec![
        Case::new("a task in Docker's network has no such port", &known).bridges(
            home,
            &no(MONGO_ON_2, &sent(MONGO_ON_2)),
            &no(VIP, &sent(VIP)),
        ),
        Case::new("an error in Docker's network about another task's packet", &known)
            .passes(home, &no(MONGO_ON_2, &sent(MONGO_HERE))),
        Case::new("a client's error in Docker's network reaches the task", &known).bridges(
            out,
            &complaint(VIP),
            &complaint(MONGO_ON_2),
        ),
        Case::new("an error in Docker's network about no flow", world).drops(
            out,
            &complaint(VIP),
            Reason::IcmpUnmatched,
        ),
        Case::new("an error in Docker's network in another client's name", &known).drops(
            out,
            &forged,
            Reason::IcmpUnmatched,
        ),
    ]
}

/// What concerns no virtual IP is the engine's.
fn dockers(world: &World, on: &Interfaces) -> Vec<Case> {
    let passes = |name, frame: &[u8]| {
        Case::new(name, world).passes(VipOut(leg(on)), frame).passes(VipIn(leg(on)), frame)
    };
    let broadcast = to([10, 0, 1, 255]).between([0xff; 6], mac_of(ME)).bytes();
    let mut ipv6 = to(VIP).bytes();
    ipv6[12..14].copy_from_slice(&[0x86, 0xdd]);
    let mut options = to(MONGO_HERE).bytes();
    options[14] = 0x46;
    let sctp = Frame { proto: 132, ..to(MONGO_HERE) }.bytes();
    let own_word = back(MONGO_ON_2, &to(ME));
    vec![
        passes("a broadcast in Docker's network", &broadcast),
        passes("IPv6 in Docker's network", &ipv6),
        passes("IP options to a task in Docker's network", &options),
        passes("SCTP to a task in Docker's network", &sctp),
        passes("an address of Docker's that nobody has", &to(NOBODY).bytes()),
        passes("another's address in Docker's network", &to(SECOND).from((LEGLESS, 1)).bytes()),
        passes("a task in Docker's network speaks for itself", &own_word.bytes()),
        passes("a container that is no task", &to(ME).from((NOBODY, 1)).bytes()),
    ]
}

fn not_carried(world: &World, on: &Interfaces) -> Vec<Case> {
    let drops =
        |name, frame: &[u8], reason| Case::new(name, world).drops(VipOut(leg(on)), frame, reason);
    let mut options = to(VIP).bytes();
    options[14] = 0x46;
    let sctp = Frame { proto: 132, ..to(VIP) }.bytes();
    let container = to(VIP).from((NOBODY, 9)).flags(SYN);
    vec![
        drops("IP options to a virtual IP of Docker's", &options, Reason::NotCarried),
        drops("SCTP to a virtual IP of Docker's", &sctp, Reason::NotCarried),
        drops("a segment of Docker's cut in its ports", &to(VIP).bytes()[..36], Reason::Malformed),
        Case::new("a container that is no task dials a virtual IP", world).bridges(
            VipOut(leg(on)),
            &container.bytes(),
            &container
                .clone()
                .to((MONGO_HERE, PORT))
                .between(mac_of(MONGO_HERE), mac_of(ME))
                .bytes(),
        ),
    ]
}
