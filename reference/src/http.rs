//! The port of http triggers: HTTP/1.1, a task for each connection, a request at a time in each
//! (RT-04).

mod answer;
mod body;
mod line;
mod pace;
mod presence;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{Request, Version, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::watch, time::timeout};

use self::{body::Budget, line::Line, pace::Pace};
use crate::{
    HttpLimits, Limits, Tls, access::Gate, connection::linger, hub::Hub, places::Place,
    transport::Transport,
};

/// What every connection of the port shares.
#[derive(Debug)]
pub(crate) struct Front {
    hub: Arc<Hub>,
    gate: Gate,
    tls: Option<Tls>,
    limits: HttpLimits,
    close_time_max: Duration,
    /// For the bodies that are being read.
    bodies: Budget,
    /// For those that are being sent.
    answers: Budget,
}

impl Front {
    pub(crate) fn new(hub: Arc<Hub>, gate: Gate, tls: Option<Tls>, limits: &Limits) -> Self {
        Self {
            hub,
            gate,
            tls,
            limits: limits.http,
            close_time_max: limits.close_time_max,
            bodies: Budget::new(limits.http.bodies_bytes_max),
            answers: Budget::new(limits.http.answers_bytes_max),
        }
    }
}

pub(crate) async fn serve(
    tcp: TcpStream,
    (peer, place): (SocketAddr, Place),
    front: Arc<Front>,
    mut stopped: watch::Receiver<bool>,
) {
    // Without it an answer in two pieces waits for the peer; it is served all the same.
    let _ = tcp.set_nodelay(true);
    let opening = Transport::open(tcp, front.tls.as_ref(), front.close_time_max);
    let HttpLimits {
        head_time_max,
        crowded_time_max,
        ..
    } = front.limits;
    let opened = tokio::select! {
        biased;
        opened = place.within(head_time_max, crowded_time_max, opening) => opened,
        () = stop(&mut stopped) => return,
    };
    let mut transport =
        match opened.unwrap_or_else(|| Err("the TLS handshake took too long".to_owned())) {
            Ok(transport) => transport,
            Err(problem) => {
                tracing::debug!("http connection from {peer}: {problem}");
                return;
            }
        };
    let pace = Pace::start();
    let line = Line::new(&mut transport, pace.clone(), front.limits);
    let service = service_fn(|request| {
        let takes_interim = Request::version(&request) != Version::HTTP_10;
        let (front, turn) = (Arc::clone(&front), pace.begin(takes_interim));
        async move { Ok::<_, Infallible>(answer::to(request, turn, &front).await) }
    });
    {
        let serving = http1::Builder::new()
            // A client may end what it sends, and wait for the answer; the line sees if it leaves.
            .half_close(true)
            .max_header_size(front.limits.head_bytes_max)
            // The line keeps the time.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(line), service);
        tokio::pin!(serving);
        let ended = tokio::select! {
            // What is answered from now on says that it is the last.
            biased;
            () = stop(&mut stopped) => None,
            () = place.wanted_while_unused(crowded_time_max, || pace.unused_since()) => return,
            ended = &mut serving => Some(ended),
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                serving.as_mut().graceful_shutdown();
                let closing = timeout(front.close_time_max, serving);
                closing.await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!("http connection from {peer}: {error}");
        }
    }
    let closing = async {
        transport.end().await;
        linger(transport.tcp()).await;
    };
    let _ = timeout(front.close_time_max, closing).await;
}

/// Ends when the engine stops.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    // Fails only if there is no engine any more.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
