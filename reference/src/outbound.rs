//! Requests to the endpoints of HTTP-invoked functions: real connections, kept alive, to where
//! the policy allows.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reference_core::{
    Exhausted, HeaderText, HttpOutcome, HttpRequest, Method, OutboundPolicy, SessionId,
};
use reqwest::{
    Response,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tokio::task_local;
use url::Host;

use crate::{
    Limits, Resolver,
    clients::Clients,
    fault::{self, NotAllowed},
    lookup::LookUps,
    payload::Payload,
    share::{Bounded, Share},
};

task_local! {
    /// For whom the present task makes a request.
    static CALLER: SessionId;
}

/// Makes requests. How long one may take is the engine's affair, which cancels it.
pub(crate) struct Outbound {
    policy: Arc<OutboundPolicy>,
    connect_time_max: Duration,
    response_bytes_max: usize,
    /// The answers that are being read, in bytes.
    answers: Bounded,
    clients: Clients<PolicyResolver>,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer { status: u16, body: Body },
    TooLarge { bytes_max: usize },
    Failed { problem: String },
}

/// The body of an answer, and its part of what all of them may hold.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    share: Share,
}

impl Outcome {
    pub(crate) fn as_input(&self) -> HttpOutcome<'_> {
        match self {
            Self::Answer { status, body } => HttpOutcome::Answer {
                status: *status,
                body: &body.bytes,
            },
            Self::TooLarge { bytes_max } => HttpOutcome::TooLarge {
                bytes_max: *bytes_max,
            },
            Self::Failed { problem } => HttpOutcome::Failed { problem },
        }
    }
}

impl Outbound {
    pub(crate) fn new(
        policy: OutboundPolicy,
        resolver: Box<dyn Resolver>,
        limits: &Limits,
    ) -> Self {
        let policy = Arc::new(policy);
        let resolver = PolicyResolver {
            policy: Arc::clone(&policy),
            look_ups: Arc::new(LookUps::new(resolver.into(), limits)),
        };
        Self {
            policy,
            connect_time_max: limits.connect_time_max,
            response_bytes_max: limits.response_bytes_max,
            answers: Bounded::new(
                limits.responses_bytes_max,
                limits.responses_bytes_per_session_max,
            ),
            clients: Clients::new(resolver, limits.connect_time_max),
        }
    }

    pub(crate) async fn perform(&self, request: HttpRequest) -> Outcome {
        self.attempt(request)
            .await
            .unwrap_or_else(|problem| Outcome::Failed { problem })
    }

    async fn attempt(&self, request: HttpRequest) -> Result<Outcome, String> {
        self.check_host(&request)?;
        let client = self.clients.of(request.url.expose()).await?;
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        let headers = headers(&request.headers)?;
        let (_payload, body) = Payload::new(request.body);
        let sent = client
            .request(method, request.url.expose().clone())
            .headers(headers)
            .body(body)
            .send();
        let sent = CALLER.scope(request.session, sent).await;
        let response = sent.map_err(|error| self.fault(&error))?;
        self.read(response, request.session).await
    }

    /// Reads an answer whole, unless it is larger than one or all together may be.
    async fn read(&self, mut response: Response, session: SessionId) -> Result<Outcome, String> {
        let status = response.status().as_u16();
        let mut body = Body {
            bytes: Vec::new(),
            share: self.answers.take(session, 0).map_err(too_much)?,
        };
        while let Some(chunk) = response.chunk().await.map_err(|error| self.fault(&error))? {
            if body.bytes.len() + chunk.len() > self.response_bytes_max {
                return Ok(Outcome::TooLarge {
                    bytes_max: self.response_bytes_max,
                });
            }
            body.share.grow(chunk.len()).map_err(too_much)?;
            body.bytes.extend_from_slice(&chunk);
        }
        Ok(Outcome::Answer { status, body })
    }

    fn fault(&self, error: &reqwest::Error) -> String {
        fault::in_words(error, self.connect_time_max)
    }

    /// A name is checked again once it has been resolved; an address never is.
    fn check_host(&self, request: &HttpRequest) -> Result<(), String> {
        let url = request.url.expose();
        let port = url.port_or_known_default().unwrap_or_default();
        if !self
            .policy
            .allows_host(url.host_str().unwrap_or_default(), port)
        {
            return Err("the host is not among those that may be called".to_owned());
        }
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        match self.policy.allows_address(address) {
            true => Ok(()),
            false => Err(NotAllowed.to_string()),
        }
    }
}

fn too_much(bound: Exhausted) -> String {
    match bound {
        Exhausted::Session { max } => format!(
            "with this one, the answers that are being read for this session \
             would be larger than {max} bytes"
        ),
        Exhausted::All { max } => format!(
            "with this one, the answers that are being read would be larger than {max} bytes"
        ),
    }
}

fn headers(given: &[(String, HeaderText)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, text) in given {
        let name: HeaderName = name.parse().map_err(|_| "a header has no proper name")?;
        let (text, secret) = match text {
            HeaderText::Plain(text) => (text.as_str(), false),
            HeaderText::Secret(secret) => (secret.expose(), true),
        };
        let value =
            HeaderValue::from_str(text).or_else(|_| HeaderValue::from_bytes(text.as_bytes()));
        let mut value = value.map_err(|_| "a header has no proper value")?;
        value.set_sensitive(secret);
        headers
            .try_insert(name, value)
            .map_err(|_| "there are too many headers")?;
    }
    Ok(headers)
}

/// Resolves names, and leaves out what the policy does not allow: whatever a name pointed to
/// before, this is where the connection goes.
#[derive(Clone)]
struct PolicyResolver {
    policy: Arc<OutboundPolicy>,
    look_ups: Arc<LookUps>,
}

impl Resolve for PolicyResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, look_ups) = (Arc::clone(&self.policy), Arc::clone(&self.look_ups));
        // This is called in the task that makes the request.
        let session = CALLER.try_with(|session| *session);
        Box::pin(async move {
            let found = look_ups.find(name.as_str(), session?).await?;
            let allowed: Vec<SocketAddr> = found
                .iter()
                .filter(|address| policy.allows_address(**address))
                .map(|address| SocketAddr::new(*address, 0))
                .collect();
            if allowed.is_empty() {
                return Err(Box::new(NotAllowed) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use reference_core::EndpointUrl;
    use uuid::Uuid;
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

    use super::*;
    use crate::SystemResolver;

    #[tokio::test]
    async fn an_answer_counts_until_it_is_dropped() {
        let endpoint = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(200).set_body_string("x".repeat(600)))
            .mount(&endpoint)
            .await;
        let limits = Limits {
            responses_bytes_max: 1_000,
            responses_bytes_per_session_max: 1_000,
            ..Limits::default()
        };
        let outbound = Outbound::new(OutboundPolicy::default(), Box::new(SystemResolver), &limits);
        let perform = || {
            outbound.perform(HttpRequest {
                call: Uuid::nil(),
                session: SessionId(1),
                url: EndpointUrl::new(&endpoint.uri()).unwrap(),
                method: Method::Post,
                headers: Vec::new(),
                body: String::new(),
            })
        };
        let first = perform().await;
        assert!(matches!(first, Outcome::Answer { status: 200, .. }));
        assert!(matches!(perform().await, Outcome::Failed { .. }));
        drop(first);
        assert!(matches!(
            perform().await,
            Outcome::Answer { status: 200, .. }
        ));
    }
}
