//! Whether an engine can be reached, how fast it is, and whether it wants to be greeted.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Engine, Say, peer::Peer};
use crate::session::ConnectError;

/// How many round trips are measured.
const PINGS: usize = 5;
/// Round trips up to this are what the suite's usual pace is made for.
const ROUND_TRIP_USUAL: Duration = Duration::from_millis(50);
const TIME_SCALE_MAX: f64 = 100.0;
/// How soon a call is made again of a function that is not there yet.
const CALL_EVERY: Duration = Duration::from_millis(100);

/// Opens a session; the time of a round trip, if anything answers.
///
/// # Errors
///
/// When there is no session to be had.
pub(super) async fn reach(
    engine: &Engine,
    say: &mut Say<'_>,
) -> Result<Option<Duration>, ConnectError> {
    let mut peer = Peer::connect(engine, false).await?;
    say(format!("connects: {}", engine.url));
    let mut round_trip = None;
    for (in_protocol, name) in [(true, "ping frame"), (false, "WebSocket ping")] {
        round_trip = median(&mut peer, engine, in_protocol).await;
        match round_trip {
            None => say(format!("round trip: a {name} is not answered")),
            Some(took) => {
                say(format!(
                    "round trip: {:.1} ms, by {name}s",
                    took.as_secs_f64() * 1e3
                ));
                break;
            }
        }
    }
    let greets = |it: &crate::frame::Frame| (it.kind() == "workerregistered").then_some(());
    let greeted = peer.take(engine.soon(), greets).await.is_ok();
    if !greeted {
        say("connects: without a `workerregistered`".to_owned());
    }
    peer.leave(engine).await;
    Ok(round_trip)
}

async fn median(peer: &mut Peer, engine: &Engine, in_protocol: bool) -> Option<Duration> {
    let mut all = Vec::new();
    for _ in 0..PINGS {
        all.push(peer.ping(in_protocol, engine.deadline()).await?);
    }
    all.sort_unstable();
    all.get(PINGS / 2).copied()
}

/// How many times the usual time an engine needs whose round trips take so long; nothing if it
/// is fast enough.
pub(super) fn time_scale(round_trip: Duration) -> Option<f64> {
    let scale = (round_trip.as_secs_f64() / ROUND_TRIP_USUAL.as_secs_f64()).ceil();
    (scale > 1.0).then_some(scale.min(TIME_SCALE_MAX))
}

/// Whether sessions are served with and without a call of `engine::workers::register` before
/// all else; nothing if it makes no difference.
pub(super) async fn hello(engine: &Engine, say: &mut Say<'_>) -> Option<bool> {
    let (with, without) = tokio::join!(served(engine, true), served(engine, false));
    let ms = |took: Duration| took.as_millis();
    let within = ms(engine.patience);
    match (with, without) {
        (Some(with), Some(without)) => {
            say(format!(
                "hello: functions are served with it, after {} ms, and without it, after {} ms",
                ms(with),
                ms(without)
            ));
            None
        }
        (Some(with), None) => {
            say(format!(
                "hello: functions are served after {} ms with it, and not within {within} ms \
                 without it; hello true",
                ms(with)
            ));
            Some(true)
        }
        (None, Some(without)) => {
            say(format!(
                "hello: functions are served after {} ms without it, and not within {within} ms \
                 with it; hello false",
                ms(without)
            ));
            Some(false)
        }
        (None, None) => {
            say(format!(
                "hello: not found out, as no function was served within {within} ms, with it or \
                 without it"
            ));
            None
        }
    }
}

/// After what time a session's own call reaches its own function and comes back.
async fn served(engine: &Engine, hello: bool) -> Option<Duration> {
    enum Heard {
        Call,
        Result(bool),
    }
    let mut peer = Peer::connect(engine, hello).await.ok()?;
    let (began, deadline) = (Instant::now(), engine.deadline());
    let id = engine.id(if hello { "greeting" } else { "silent" });
    peer.register_function(&id, None).await;
    let mut call = peer.call(&id, json!({})).await;
    let mut took = None;
    while took.is_none() {
        let heard = peer
            .take(deadline, |frame| match frame.kind() {
                "invokefunction" if frame.text_field("function_id") == Some(&id) => {
                    Some(Heard::Call)
                }
                "invocationresult" if frame.text_field("invocation_id") == Some(&call) => {
                    let failed = frame.value.get("error").is_some_and(|it| !it.is_null());
                    Some(Heard::Result(!failed))
                }
                _ => None,
            })
            .await;
        match heard {
            Ok((frame, Heard::Call)) => peer.answer(&frame, json!({})).await,
            Ok((_, Heard::Result(true))) => took = Some(began.elapsed()),
            // Some engines register later than they answer.
            Ok((_, Heard::Result(false))) if Instant::now() < deadline => {
                sleep(CALL_EVERY).await;
                call = peer.call(&id, json!({})).await;
            }
            Ok(_) | Err(_) => break,
        }
    }
    peer.leave(engine).await;
    took
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_engines_get_more_time() {
        let scale = |ms| time_scale(Duration::from_millis(ms));
        assert_eq!(scale(0), None);
        assert_eq!(scale(50), None);
        assert_eq!(scale(51), Some(2.0));
        assert_eq!(scale(240), Some(5.0));
        assert_eq!(scale(60_000), Some(100.0));
    }
}
