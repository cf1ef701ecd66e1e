//! Endpoints that speak HTTP.

use std::{net::TcpListener, sync::Arc, thread, time::Duration};

use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use super::{Behaviour, Received, Registry};
use crate::transcript::{Answered, Direction};

/// An answer, filled in.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// With its media type.
    pub(crate) body: Option<(String, &'static str)>,
    pub(crate) delay: Duration,
}

/// One server for all of them; there until it is dropped.
pub(super) struct HttpServer(Option<MockServer>);

impl HttpServer {
    pub(super) async fn start(listener: TcpListener, registry: &Arc<Registry>) -> Self {
        let server = MockServer::builder()
            .listener(listener)
            .disable_request_recording()
            .start()
            .await;
        Mock::given(any())
            .respond_with(Responder(Arc::clone(registry)))
            .mount(&server)
            .await;
        Self(Some(server))
    }

    pub(super) fn port(&self) -> u16 {
        self.0.as_ref().map_or(0, |it| it.address().port())
    }
}

impl Drop for HttpServer {
    /// It blocks on a lock of the runtime's, which may never be had within a task that has used
    /// up its turn: it would spin for ever.
    fn drop(&mut self) {
        let server = self.0.take();
        // Where there is no thread to be had, it is dropped here.
        let _ = thread::Builder::new().spawn(move || drop(server));
    }
}

struct Responder(Arc<Registry>);

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let url = &request.url;
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let Some((served, below)) = self.0.find(&target) else {
            return ResponseTemplate::new(404);
        };
        let headers = request.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let method = request.method.as_str();
        let received = Received::new(method, below, headers, request.body.clone());
        let before = served.receive(received);
        let Behaviour::Answers(answers) = &served.behaviour else {
            return ResponseTemplate::new(404);
        };
        match answers.get(before).or(answers.last()) {
            Some(answer) => {
                served.note(Direction::Sent, answer.describe());
                answer.template()
            }
            None => ResponseTemplate::new(404),
        }
    }
}

impl Answer {
    fn template(&self) -> ResponseTemplate {
        let mut template = ResponseTemplate::new(self.status).set_delay(self.delay);
        if let Some((body, media_type)) = &self.body {
            template = template.set_body_raw(body.as_bytes(), media_type);
        }
        for (name, value) in &self.headers {
            template = template.insert_header(name.as_str(), value.as_str());
        }
        template
    }

    pub(super) fn whole(&self) -> Answered {
        let body = self.body.as_ref();
        Answered {
            status: self.status,
            headers: self.headers.iter().cloned().collect(),
            body: body.map(|(text, _)| text.clone()),
            json: body.is_some_and(|(_, media_type)| *media_type == "application/json"),
            delay_ms: u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn describe(&self) -> String {
        let mut text = self.status.to_string();
        for (name, value) in &self.headers {
            text += &format!(" | {name}: {value}");
        }
        if let Some((body, _)) = &self.body {
            text += &format!(" | {body}");
        }
        if !self.delay.is_zero() {
            text += &format!(" (after {} ms)", self.delay.as_millis());
        }
        text
    }
}
