//! Stands between the suite and an engine, and does to the frames of the engine what [`Wire`] says.

use std::{io, net::SocketAddr};

use engines::{Passage, Wire};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

const CHUNK_BYTES: usize = 16 << 10;

/// A relay, until it is dropped.
pub(super) struct Relay {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub(super) async fn start(engine: SocketAddr, wire: Wire) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((worker, _)) = listener.accept().await {
                connections.spawn(async move {
                    // A connection that ends early is the suite's or the engine's doing.
                    let _ = relay(worker, engine, wire).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            _tasks: tasks,
        })
    }

    pub(super) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }
}

async fn relay(worker: TcpStream, engine: SocketAddr, wire: Wire) -> io::Result<()> {
    let engine = TcpStream::connect(engine).await?;
    for socket in [&worker, &engine] {
        socket.set_nodelay(true)?;
    }
    let (from_worker, to_worker) = worker.into_split();
    let (from_engine, to_engine) = engine.into_split();
    let (mut inwards, mut outwards) = (Passage::new(wire), Passage::new(wire));
    tokio::try_join!(
        pass(from_worker, to_engine, |bytes| inwards.pass(bytes)),
        pass(from_engine, to_worker, |bytes| outwards.pass(bytes)),
    )
    .map(|_| ())
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut alter: impl FnMut(&[u8]) -> Vec<u8>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&alter(chunk.get(..read).unwrap_or_default()))
            .await?;
    }
}
