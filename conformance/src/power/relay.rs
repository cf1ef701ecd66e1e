//! Stands between the suite and an engine, and writes what the engine says as [`Wire`] and
//! [`Manner`] have it.

use std::{io, net::SocketAddr, time::Duration};

use engines::{Manner, Message, Passage, Wire, Written};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, sink},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
    time::timeout,
};

const CHUNK_BYTES: usize = 16 << 10;
/// How long a client is given to end a connection that has been answered.
const LEAVE_TIME_MAX: Duration = Duration::from_secs(1);

/// A relay, until it is dropped.
pub(super) struct Relay {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// Between workers and an engine.
    pub(super) async fn of_workers(engine: SocketAddr, wire: Wire) -> io::Result<Self> {
        Self::start(move |worker| frames(worker, engine, wire)).await
    }

    /// Between an engine and the endpoints that its requests name as their hosts.
    pub(super) async fn of_endpoints(manner: Manner) -> io::Result<Self> {
        Self::start(move |engine| request(engine, manner)).await
    }

    /// Between those who ask for http triggers and the engine that serves them.
    pub(super) async fn of_triggers(engine: SocketAddr, manner: Manner) -> io::Result<Self> {
        Self::start(move |client| answer(client, engine, manner)).await
    }

    async fn start<F: Future<Output = io::Result<Ended>> + Send + 'static>(
        relay: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((connection, _)) => drop(connections.spawn(relay(connection))),
                        Err(_) => break,
                    },
                    // One that ends early otherwise is the suite's or the engine's doing.
                    Some(ended) = connections.join_next() => {
                        if matches!(ended, Ok(Ok(Ended::Engine))) {
                            break;
                        }
                    }
                }
            }
        });
        Ok(Self {
            address,
            _tasks: tasks,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Connection,
    /// With all its connections, and it takes no others.
    Engine,
}

async fn frames(worker: TcpStream, engine: SocketAddr, wire: Wire) -> io::Result<Ended> {
    let engine = TcpStream::connect(engine).await?;
    if matches!(wire, Wire::Reset | Wire::Crash) {
        worker.set_zero_linger()?;
    }
    for socket in [&worker, &engine] {
        socket.set_nodelay(true)?;
    }
    let (from_worker, to_worker) = worker.into_split();
    let (from_engine, to_engine) = engine.into_split();
    let (mut inwards, mut outwards) = (Passage::new(wire), Passage::new(wire));
    let passed = tokio::try_join!(
        pass(from_worker, to_engine, &mut inwards),
        pass(from_engine, to_worker, &mut outwards),
    );
    match wire {
        Wire::Crash if inwards.is_broken() => Ok(Ended::Engine),
        _ => passed.map(|_| Ended::Connection),
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    passage: &mut Passage,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&passage.pass(chunk.get(..read).unwrap_or_default()))
            .await?;
        if passage.is_broken() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
    }
}

/// One request of the engine's a connection. What the endpoint says goes back as it is.
async fn request(mut engine: TcpStream, manner: Manner) -> io::Result<Ended> {
    let written = message(&mut engine, Message::request(manner)).await?;
    let host = written.host.unwrap_or_default();
    let mut endpoint = TcpStream::connect(host).await?;
    for socket in [&engine, &endpoint] {
        socket.set_nodelay(true)?;
    }
    let (mut from_engine, mut to_engine) = engine.split();
    let (mut from_endpoint, mut to_endpoint) = endpoint.split();
    let answering = async {
        copy(&mut from_endpoint, &mut to_engine).await?;
        to_engine.shutdown().await
    };
    let asking = async {
        write(&mut to_endpoint, &written.pieces).await?;
        gone(&mut from_engine).await
    };
    // Whoever gives the other up first ends both.
    let ended = tokio::select! {
        answered = answering => answered,
        given_up = asking => given_up,
    };
    ended.map(|()| Ended::Connection)
}

/// One answer of the engine's a connection. What the client says goes on as it is.
async fn answer(mut client: TcpStream, engine: SocketAddr, manner: Manner) -> io::Result<Ended> {
    let mut engine = TcpStream::connect(engine).await?;
    for socket in [&client, &engine] {
        socket.set_nodelay(true)?;
    }
    let mut asked = vec![0; CHUNK_BYTES];
    let read = client.read(&mut asked).await?;
    asked.truncate(read);
    let (mut from_client, mut to_client) = client.split();
    let (mut from_engine, mut to_engine) = engine.split();
    let answering = message(&mut from_engine, Message::answer(manner, &asked));
    let asking = async {
        to_engine.write_all(&asked).await?;
        match copy(&mut from_client, &mut to_engine).await {
            Ok(_) => Ok(()),
            // It has answered before it was asked all.
            Err(_) => gone(&mut from_client).await,
        }
    };
    let written = tokio::select! {
        answered = answering => answered?,
        given_up = asking => return given_up.map(|()| Ended::Connection),
    };
    write(&mut to_client, &written.pieces).await?;
    to_client.shutdown().await?;
    // What is still on its way from the client must not cost it the answer.
    let left = timeout(LEAVE_TIME_MAX, gone(&mut from_client)).await;
    left.unwrap_or(Ok(())).map(|()| Ended::Connection)
}

async fn message(from: &mut (impl AsyncRead + Unpin), mut message: Message) -> io::Result<Written> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(written) = message.take(chunk.get(..read).unwrap_or_default()) {
            return Ok(written);
        }
    }
}

async fn write(to: &mut (impl AsyncWrite + Unpin), pieces: &[Vec<u8>]) -> io::Result<()> {
    for piece in pieces {
        to.write_all(piece).await?;
    }
    Ok(())
}

/// Ends when the other side has ended the connection.
async fn gone(from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    copy(from, &mut sink()).await.map(|_| ())
}
