//! Flows that are opened once and asked again later, to prove that what is established survives.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    answer::Answer,
    dial::{DIAL_LIMIT, dial_here, v4},
    http::Http,
    netns::{Ns, in_ns},
};

/// A flow from a client to a task.
pub trait Session: Sized + Send {
    /// Opens it from `ns`, from client port `from_port` or any (0), and asks who is there.
    ///
    /// # Errors
    /// No answer.
    fn open(ns: &Ns, to: SocketAddrV4, from_port: u16) -> Result<Self> {
        in_ns(ns, || Self::open_here(to, from_port))?
    }

    /// [`Session::open`] from the calling thread's namespace.
    ///
    /// # Errors
    /// No answer.
    fn open_here(to: SocketAddrV4, from_port: u16) -> Result<Self>;

    /// Asks again.
    ///
    /// # Errors
    /// No answer within five seconds, a reset, or bytes that are not those sent.
    fn ask(&mut self) -> Result<Answer>;

    /// The client's end.
    fn local(&self) -> SocketAddrV4;

    /// The address that was dialled.
    fn to(&self) -> SocketAddrV4;

    /// The first answer.
    fn first(&self) -> &Answer;

    /// Asks again and insists on the task that answered first.
    ///
    /// # Errors
    /// As [`Session::ask`], or another task answers.
    fn ping(&mut self) -> Result<()> {
        let flow = format!("{} -> {}", self.local(), self.to());
        let answer = self.ask().with_context(|| flow.clone())?;
        let first = self.first().task_name();
        ensure!(answer.task_name() == first, "{flow}: was {first}, is {}", answer.task_name());
        Ok(())
    }
}

/// A kept HTTP connection.
#[derive(Debug)]
pub struct TcpSession {
    http: Http,
    local: SocketAddrV4,
    to: SocketAddrV4,
    first: Answer,
}

impl TcpSession {
    /// Asks for a path on this connection and returns the body as text.
    ///
    /// # Errors
    /// No answer within five seconds, a reset, or another status than 200.
    pub fn get(&mut self, path: &str) -> Result<String> {
        self.http.get(path)
    }
}

impl Session for TcpSession {
    fn open_here(to: SocketAddrV4, from_port: u16) -> Result<Self> {
        let stream = dial_here(to, from_port, DIAL_LIMIT)
            .with_context(|| format!("cannot connect to {to}"))?;
        let local = v4(stream.local_addr()?)?;
        let mut session = Self { http: Http::new(stream), local, to, first: Answer::default() };
        session.first = session.ask()?;
        Ok(session)
    }

    fn ask(&mut self) -> Result<Answer> {
        Ok(Answer::parse(&self.http.get("/")?))
    }

    fn local(&self) -> SocketAddrV4 {
        self.local
    }

    fn to(&self) -> SocketAddrV4 {
        self.to
    }

    fn first(&self) -> &Answer {
        &self.first
    }
}

/// A connected UDP socket: datagrams from any other address than the one dialled are not received,
/// ICMP refusals are errors.
#[derive(Debug)]
pub struct UdpSession {
    socket: UdpSocket,
    local: SocketAddrV4,
    to: SocketAddrV4,
    first: Answer,
}

impl UdpSession {
    /// A socket that has sent nothing yet, from the calling thread's namespace.
    ///
    /// # Errors
    /// The port is taken, or there is no route.
    fn connect(to: SocketAddrV4, from_port: u16) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, from_port))?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(DIAL_LIMIT))?;
        let local = v4(socket.local_addr()?)?;
        Ok(Self { socket, local, to, first: Answer::default() })
    }

    /// How long an answer may take, from now on.
    ///
    /// # Errors
    /// The limit is zero.
    pub fn set_limit(&self, limit: Duration) -> Result<()> {
        Ok(self.socket.set_read_timeout(Some(limit))?)
    }

    /// Sends `payload` and returns what the task says of it.
    ///
    /// # Errors
    /// No answer in time, a refusal, or the payload came back changed.
    pub fn exchange(&self, payload: &[u8]) -> Result<Answer> {
        self.socket.send(payload).context("cannot send")?;
        let mut buffer = vec![0; 1 << 16];
        let len = self.socket.recv(&mut buffer).context("no answer")?;
        let answer = Answer::parse(&String::from_utf8_lossy(&buffer[..len]));
        ensure!(buffer[..len].ends_with(payload), "the datagram came back changed");
        ensure!(answer.received_bytes == Some(payload.len() as u64), "wrong length: {answer:?}");
        Ok(answer)
    }
}

impl Session for UdpSession {
    fn open_here(to: SocketAddrV4, from_port: u16) -> Result<Self> {
        let mut session = Self::connect(to, from_port)?;
        session.first = session.ask().with_context(|| format!("UDP to {to}"))?;
        Ok(session)
    }

    fn ask(&mut self) -> Result<Answer> {
        self.exchange(b"who are you?")
    }

    fn local(&self) -> SocketAddrV4 {
        self.local
    }

    fn to(&self) -> SocketAddrV4 {
        self.to
    }

    fn first(&self) -> &Answer {
        &self.first
    }
}

/// Many flows held open together.
#[derive(Debug)]
pub struct Sessions<S>(pub Vec<S>);

impl<S: Session> Sessions<S> {
    /// Opens `count` flows from `ns` to the addresses in turn.
    ///
    /// # Errors
    /// One of them gets no answer.
    pub fn open(ns: &Ns, to: &[SocketAddrV4], count: usize) -> Result<Self> {
        let open = || -> Result<Vec<S>> {
            to.iter().cycle().take(count).map(|&to| S::open_here(to, 0)).collect()
        };
        in_ns(ns, open)?.map(Self)
    }

    /// Pings every flow and returns what went wrong, one line each.
    pub fn ping_all(&mut self) -> Vec<String> {
        let failed = |session: &mut S| session.ping().err().map(|error| format!("{error:#}"));
        self.0.iter_mut().filter_map(failed).collect()
    }

    /// How many flows each task has.
    #[must_use]
    pub fn by_task(&self) -> BTreeMap<String, u64> {
        let mut tasks = BTreeMap::new();
        for session in &self.0 {
            *tasks.entry(session.first().task_name().to_owned()).or_default() += 1;
        }
        tasks
    }

    /// Takes the flows of one task out.
    pub fn take_task(&mut self, task: &str) -> Self {
        let all = std::mem::take(&mut self.0);
        let (its, rest) = all.into_iter().partition(|one| one.first().task_name() == task);
        self.0 = rest;
        Self(its)
    }
}
