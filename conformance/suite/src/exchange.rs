//! HTTP requests of the suite's to the engine, for http triggers.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, body::Bytes};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json, value::RawValue};
use tokio::task::JoinHandle;

use crate::{
    frame::Frame,
    held::BODY_MEMORY_MAX,
    transcript::{Direction, Requested, Transcript, Whole},
};

/// A larger answer is not read to its end.
const BODY_BYTES_MAX: usize = 8 << 20;
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// A request, filled in.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Where the engine serves http triggers.
    pub(crate) base: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A request that is under way. Dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Exchange(JoinHandle<Result<Frame, String>>);

impl Exchange {
    /// Sends a request beside everything else.
    pub(crate) fn begin(client: Client, asked: Asked, name: &str, transcript: &Transcript) -> Self {
        let (name, transcript) = (name.to_owned(), transcript.clone());
        let whole = Whole::Request(asked.whole());
        transcript.add_whole(&name, Direction::Sent, asked.describe(), Some(whole));
        Self(tokio::spawn(async move {
            let answer = asked.perform(&client).await;
            let shown = match &answer {
                Ok(frame) => frame.text.clone(),
                Err(problem) => format!("(no answer: {problem})"),
            };
            transcript.add(&name, Direction::Received, shown);
            answer
        }))
    }

    /// The answer, as templates see it, or why there is none.
    pub(crate) async fn answer(&mut self) -> Result<Frame, String> {
        (&mut self.0)
            .await
            .unwrap_or_else(|error| Err(error.to_string()))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A client that does nothing of its own accord: no redirects, no proxies, no decoding.
pub(crate) type Client = legacy::Client<HttpConnector, Full<Bytes>>;

pub(crate) fn client() -> Client {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIME_MAX));
    connector.set_nodelay(true);
    legacy::Client::builder(TokioExecutor::new()).build(connector)
}

impl Asked {
    fn describe(&self) -> String {
        let headers = self.headers.iter();
        let headers: String = headers
            .map(|(name, value)| format!(" | {name}: {value}"))
            .collect();
        let body = String::from_utf8_lossy(&self.body);
        let (method, base, target) = (&self.method, &self.base, &self.target);
        format!("{method} {base}{target}{headers} | {body}")
    }

    fn whole(&self) -> Requested {
        let text = std::str::from_utf8(&self.body).ok();
        Requested {
            url: self.base.clone(),
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.iter().cloned().collect(),
            text: text.filter(|it| !it.is_empty()).map(str::to_owned),
            hex: text.is_none().then(|| hex::encode(&self.body)),
        }
    }

    async fn perform(self, client: &Client) -> Result<Frame, String> {
        let mut request = Request::builder()
            .method(&*self.method)
            .uri(format!("{}{}", self.base, self.target));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(Bytes::from(self.body)))
            .map_err(|error| format!("the case is at fault: {error}"))?;
        let response = client.request(request).await;
        let response = response.map_err(|error| innermost(&error))?;
        let status = response.status().as_u16();
        let mut headers = serde_json::Map::new();
        for name in response.headers().keys() {
            let values = response.headers().get_all(name).iter();
            let values: Vec<_> = values
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            headers.insert(name.to_string(), values.join(", ").into());
        }
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect();
        let body = body.await.map_err(|error| innermost(&*error))?.to_bytes();
        frame(status, &Value::Object(headers), &body)
    }
}

/// The object that a template is compared with. `body` is there if it is JSON, with the engine's
/// own bytes.
fn frame(status: u16, headers: &Value, body: &[u8]) -> Result<Frame, String> {
    let mut text = format!("{{\"status\":{status},\"headers\":{headers}");
    if let Ok(body) = std::str::from_utf8(body) {
        text += &format!(",\"body_text\":{}", json!(body));
    }
    if let Ok(body) = serde_json::from_slice::<&RawValue>(body) {
        text += &format!(",\"body\":{body}");
    }
    text.push('}');
    Frame::read_within(BODY_MEMORY_MAX, &text)
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
