//! The WebSocket handshake: who may connect, and what those are told who ask for something else.

use std::sync::Arc;

use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_tungstenite::{
    accept_hdr_async_with_config,
    tungstenite::{
        Error,
        error::ProtocolError,
        handshake::server::{Callback, ErrorResponse, Request, Response},
        http::{HeaderValue, header::WWW_AUTHENTICATE},
        protocol::WebSocketConfig,
    },
};

use crate::{
    Limits,
    access::{Gate, Refused},
    connection::{BUFFER_BYTES, Shared, linger},
    places::Place,
    transport::{START_BYTES, Transport},
};

/// With this a record of TLS begins that is of a handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// A connection that has been upgraded.
pub(crate) struct Welcomed {
    pub(crate) transport: Transport,
    /// How messages are read from it.
    pub(crate) config: WebSocketConfig,
    /// Of the request.
    pub(crate) path: String,
    /// One of as many as there are; it is given back when the connection ends.
    pub(crate) seat: Option<OwnedSemaphorePermit>,
}

/// Upgrades a connection, which has its place until then; there is none if somebody was refused.
///
/// # Errors
///
/// What is wrong with the request, for the log.
pub(crate) async fn welcome(
    tcp: TcpStream,
    place: Place,
    shared: &Shared,
) -> Result<Option<Welcomed>, String> {
    const TOO_LONG: &str = "the handshake took too long";
    // Frames are small and a caller waits for each: they must not wait for one another.
    tcp.set_nodelay(true).map_err(|error| error.to_string())?;
    let limits = &shared.limits;
    let (time_max, crowded_time_max) =
        (limits.handshake_time_max, limits.crowded_handshake_time_max);
    let opening = Transport::open(tcp, shared.tls.as_ref(), limits.close_time_max);
    let opened = place.within(time_max, crowded_time_max, opening).await;
    let mut transport = opened.ok_or(TOO_LONG)??;
    let mut handshake = Handshake {
        gate: &shared.gate,
        seats: &shared.seats,
        path: String::new(),
        seat: None,
    };
    let config = config(limits);
    let mut start = [0; START_BYTES];
    let upgrade = async {
        transport.peek(&mut start).await?;
        // The socket that comes of it borrows; it has read nothing beyond the request, since
        // the library refuses a request that is followed by more.
        accept_hdr_async_with_config(&mut transport, &mut handshake, Some(config)).await?;
        Ok(())
    };
    match place.within(time_max, crowded_time_max, upgrade).await {
        Some(Ok(())) => Ok(Some(Welcomed {
            transport,
            config,
            path: handshake.path,
            seat: handshake.seat,
        })),
        // A refusal that has been logged already.
        Some(Err(Error::Http(_))) => {
            let _ = timeout(limits.close_time_max, transport.end()).await;
            Ok(None)
        }
        Some(Err(error)) => {
            if asks_for_something_else(&error) {
                let has_body = start != *b"HEAD ";
                let redirecting = redirect(&mut transport, has_body);
                let _ = timeout(limits.close_time_max, redirecting).await;
            }
            let hint = match (&transport, start) {
                (Transport::Plain(_), [TLS_HANDSHAKE, ..]) => {
                    "; this is TLS, which --tls-cert and --tls-key turn on"
                }
                _ => "",
            };
            Err(format!("no WebSocket handshake: {error}{hint}"))
        }
        None => Err(TOO_LONG.to_owned()),
    }
}

fn config(limits: &Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        // The outbox is what is bounded; here waits the one frame that is being written.
        .max_write_buffer_size(usize::MAX)
        .max_message_size(Some(limits.frame_bytes_max))
        .max_frame_size(Some(limits.frame_bytes_max))
}

/// Whether it is an HTTP request, and no upgrade that can be made.
fn asks_for_something_else(error: &Error) -> bool {
    matches!(
        error,
        Error::Protocol(
            ProtocolError::WrongHttpMethod
                | ProtocolError::WrongHttpVersion
                | ProtocolError::MissingConnectionUpgradeHeader
                | ProtocolError::MissingUpgradeWebSocketHeader
                | ProtocolError::MissingSecWebSocketVersionHeader
        )
    )
}

/// Tells a client that it has taken this port for the other one. To `HEAD` only the head is told.
async fn redirect(transport: &mut Transport, has_body: bool) {
    const TEXT: &str = "This port is for workers, which connect to it over WebSocket. \
                        Requests for http triggers go to the address that --http names.\n";
    let length = TEXT.len();
    let body = if has_body { TEXT } else { "" };
    let answer = format!(
        "HTTP/1.1 426 Upgrade Required\r\n\
         Connection: upgrade, close\r\n\
         Upgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    if transport.write_all(answer.as_bytes()).await.is_ok() {
        transport.end().await;
        linger(transport.tcp()).await;
    }
}

struct Handshake<'a> {
    gate: &'a Gate,
    seats: &'a Arc<Semaphore>,
    path: String,
    seat: Option<OwnedSemaphorePermit>,
}

impl Callback for &mut Handshake<'_> {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        self.gate
            .admit_worker(request.uri(), request.headers())
            .map_err(|refused| refusal(&refused))?;
        let seat = Arc::clone(self.seats).try_acquire_owned();
        self.seat = Some(seat.map_err(|_| refusal(&Refused::Full))?);
        request.uri().path().clone_into(&mut self.path);
        Ok(response)
    }
}

fn refusal(refused: &Refused) -> ErrorResponse {
    refused.log();
    let mut response = ErrorResponse::new(Some(format!("{}\n", refused.message())));
    *response.status_mut() = refused.status();
    if *refused == Refused::Token {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    response
}
