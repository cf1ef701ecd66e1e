//! Sessions are served in turn, however much one of them sends.

use std::sync::{Arc, Mutex};

use futures_util::SinkExt;
use reference::{
    Options, Server,
    core::{CloseCode, Deadline, Effect, Engine, Input, Machine, SessionId, World},
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode as Code},
};

use crate::client::Client;

/// Less than what the library and the system take at once.
const FRAMES: usize = 2_500;
const PING: &str = r#"{"type":"ping"}"#;

/// An engine, and who has sent the frames that it was given.
struct Observed {
    engine: Engine,
    senders: Arc<Mutex<Vec<SessionId>>>,
}

impl Machine for Observed {
    fn handle(&mut self, input: Input<'_>, world: &mut World<'_>, effects: &mut Vec<Effect>) {
        if let Input::Text { session, .. } = input {
            self.senders.lock().unwrap().push(session);
        }
        self.engine.handle(input, world, effects);
    }

    fn next_deadline(&self) -> Option<Deadline> {
        self.engine.next_deadline()
    }
}

/// On one thread the server does nothing before the test waits for something.
#[tokio::test]
async fn a_session_that_sends_a_lot_does_not_keep_the_others_waiting() {
    let senders = Arc::default();
    let options = Options {
        machine: Box::new(Observed {
            engine: Engine::default(),
            senders: Arc::clone(&senders),
        }),
        ..Options::default()
    };
    let server = Server::bind("127.0.0.1:0", options).await.unwrap();
    let mut greedy = Client::connect(&server.url()).await;
    let mut quiet = Client::connect(&server.url()).await;
    for _ in 0..FRAMES {
        greedy.socket.feed(Message::text(PING)).await.unwrap();
    }
    greedy.socket.flush().await.unwrap();
    quiet.send(PING).await;
    assert_eq!(quiet.text().await, r#"{"type":"pong"}"#);
    for _ in 0..FRAMES {
        greedy.text().await;
    }
    let senders = senders.lock().unwrap().clone();
    let quiet = *senders.iter().max().unwrap();
    let waited = senders.iter().position(|sender| *sender == quiet).unwrap();
    assert!(
        waited < FRAMES / 10,
        "after {waited} frames of another session"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn a_pong_comes_behind_the_answers_to_what_was_sent_before_its_ping() {
    let server = Server::bind("127.0.0.1:0", Options::default())
        .await
        .unwrap();
    let mut client = Client::connect(&server.url()).await;
    let asked = Message::Ping("asked".into());
    for frame in [Message::text(PING), Message::text(PING), asked] {
        client.socket.feed(frame).await.unwrap();
    }
    client.socket.flush().await.unwrap();
    for _ in 0..2 {
        assert_eq!(client.text().await, r#"{"type":"pong"}"#);
    }
    assert_eq!(client.next().await, Some(Message::Pong("asked".into())));
    drop(client);
    server.shutdown().await;
}

/// Closes a session that sends a text frame.
struct Dismissive;

impl Machine for Dismissive {
    fn handle(&mut self, input: Input<'_>, _world: &mut World<'_>, effects: &mut Vec<Effect>) {
        if let Input::Text { session, .. } = input {
            effects.push(Effect::Close {
                session,
                code: CloseCode::TryAgainLater,
                reason: "enough",
            });
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        None
    }
}

#[tokio::test]
async fn a_session_that_both_close_at_once_ends_with_a_close_frame_from_either() {
    let options = Options {
        machine: Box::new(Dismissive),
        ..Options::default()
    };
    let server = Server::bind("127.0.0.1:0", options).await.unwrap();
    let mut client = Client::connect_silently(&server.url()).await;
    let bye = CloseFrame {
        code: Code::Normal,
        reason: "bye".into(),
    };
    for message in [Message::text(PING), Message::Close(Some(bye.clone()))] {
        client.socket.feed(message).await.unwrap();
    }
    client.socket.flush().await.unwrap();
    assert_eq!(client.next().await, Some(Message::Close(Some(bye))));
    assert_eq!(client.next().await, None);
    server.shutdown().await;
}
