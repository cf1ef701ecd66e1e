//! Opening a WebSocket to an engine, within bounds that no engine widens.

use std::{io, time::Duration};

use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_with_config,
    tungstenite::{Error, client::IntoClientRequest, protocol::WebSocketConfig},
};

const MESSAGE_BYTES_MAX: usize = 8 << 20;
const BUFFER_BYTES: usize = 16 << 10;

/// The least time an engine is given to read what it is sent. Only one that reads nothing at all
/// lets it pass: what it has not read is more than the system holds for it.
const READING_TIME_MIN: Duration = Duration::from_secs(5);

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long an engine may take to read what it is sent, if something else may take so long.
pub(crate) fn reading_time(patience: Duration) -> Duration {
    patience.max(READING_TIME_MIN)
}

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct Unopened {
    pub(crate) problem: String,
    /// Whether it is sure that nobody is there.
    pub(crate) nobody_listens: bool,
}

impl Unopened {
    pub(crate) fn new(problem: impl ToString) -> Self {
        Self {
            problem: problem.to_string(),
            nobody_listens: false,
        }
    }

    fn tcp(error: &io::Error) -> Self {
        Self {
            nobody_listens: matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
            ),
            ..Self::new(error)
        }
    }
}

/// Opens a WebSocket on which what is sent waits until there are so many bytes of it, or until it
/// is flushed.
pub(crate) async fn open(url: &str, write_buffer_bytes: usize) -> Result<Socket, Unopened> {
    let request = url.into_client_request().map_err(Unopened::new)?;
    if request.uri().scheme_str() != Some("ws") {
        return Err(Unopened::new("the URL must begin with ws://"));
    }
    let host = request.uri().host().unwrap_or_default();
    let port = request.uri().port_u16().unwrap_or(80);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let tcp = TcpStream::connect((host, port))
        .await
        .map_err(|error| Unopened::tcp(&error))?;
    tcp.set_nodelay(true).map_err(Unopened::new)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(write_buffer_bytes)
        .max_write_buffer_size(write_buffer_bytes + MESSAGE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let (socket, _) = client_async_with_config(request, MaybeTlsStream::Plain(tcp), Some(config))
        .await
        .map_err(no_handshake)?;
    Ok(socket)
}

/// Why there is a server, and no WebSocket.
fn no_handshake(error: Error) -> Unopened {
    let problem = error.to_string();
    Unopened::new(match error {
        Error::Http(answer) => format!(
            "the handshake was answered with HTTP {}: there is a server of HTTP, and no WebSocket \
             at this path, or it takes no more sessions",
            answer.status()
        ),
        Error::Protocol(_) | Error::Io(_) => format!(
            "the handshake was not answered as HTTP is ({problem}): does the port belong to \
             something else, or speak TLS?"
        ),
        _ => problem,
    })
}
