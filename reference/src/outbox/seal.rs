//! TLS between an outbox and its socket.

use std::{
    io::{self, IoSlice, Read, Write},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use rustls::ServerConnection;
use tokio::{io::ReadBuf, net::TcpStream};

use super::{SLICES, queue::Batch};

/// What TLS keeps of a connection. Whoever writes and whoever reads take turns at it, and keep
/// it for no more than a buffer of the library's.
#[derive(Debug)]
pub(super) struct Seal(Mutex<State>);

#[derive(Debug)]
struct State {
    session: ServerConnection,
    /// How much of what waits in the queue, at its front, has been sealed. It counts as written
    /// once the socket has taken all of it.
    sealed: usize,
}

impl Seal {
    pub(super) fn new(session: ServerConnection) -> Self {
        Self(Mutex::new(State { session, sealed: 0 }))
    }

    /// Takes off what could be written, and counts what the socket has taken.
    pub(super) fn write(
        &self,
        tcp: &TcpStream,
        batch: &mut Batch,
        taken: &mut usize,
    ) -> io::Result<()> {
        loop {
            let mut state = self.lock();
            state.write_out(tcp, taken)?;
            batch.advance(mem::take(&mut state.sealed));
            if batch.is_empty() {
                return Ok(());
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = batch.slices(&mut slices);
            let slices = slices.get(..count).unwrap_or_default();
            state.sealed = state.session.writer().write_vectored(slices)?;
            if !state.session.wants_write() {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
    }

    /// Reads what the peer has sealed. The end of the connection is its end, whether or not the
    /// peer has said so: a WebSocket has a Close frame for that.
    pub(super) fn poll_read(
        &self,
        tcp: &TcpStream,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.lock().read(tcp, buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Ok(()));
                }
                read => return Poll::Ready(read),
            }
            ready!(tcp.poll_read_ready(cx))?;
        }
    }

    /// Tells the peer that this is all, unless it does not even take what comes before.
    pub(super) fn end(&self, tcp: &TcpStream) {
        let mut state = self.lock();
        if state.sealed == 0 {
            state.session.send_close_notify();
            let _ = state.write_out(tcp, &mut 0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes what has been sealed, and counts it.
    fn write_out(&mut self, tcp: &TcpStream, taken: &mut usize) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Socket(tcp))? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                bytes => *taken += bytes,
            }
        }
        Ok(())
    }

    fn read(&mut self, tcp: &TcpStream, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        loop {
            match self.session.reader().read(buffer.initialize_unfilled()) {
                Ok(bytes) => {
                    buffer.advance(bytes);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            self.session.read_tls(&mut Socket(tcp))?;
            let opened = self.session.process_new_packets();
            // An answer of TLS's own. It goes before what waits in the queue, unless some of
            // that is on its way; then it goes with it.
            if self.sealed == 0 || opened.is_err() {
                let _ = self.write_out(tcp, &mut 0);
            }
            opened.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }
}

/// A socket that never waits.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(bytes)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
