//! What may happen next.

use std::time::Duration;

use reference_core::{HttpOutcome, Input, Machine, Overflow, SessionId, Unreadable};

use super::{
    Dice,
    world::{Announced, World},
};
use crate::peer::{register_function, result};

const SESSIONS_MAX: usize = 12;
const FUNCTIONS: [&str; 8] = ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7"];
pub(super) const TRIGGERS: [&str; 6] = ["t0", "t1", "t2", "t3", "t4", "t5"];
/// Of workers, but for the last one, which nobody provides.
const TYPES: [&str; 3] = ["blob", "file", "none"];
const PATHS: [&str; 4] = ["/a", "/a/:id", "/b", "/:any/c"];
const TARGETS: [&str; 6] = ["/a", "/a/7?q=1&q=2", "/b", "/x/c", "/none", "/a/%zz"];
/// How long an endpoint takes that answers.
const ENDPOINT_TIME: Duration = Duration::from_secs(10);
/// What no engine takes for anything.
const BAD_FRAMES: [&str; 10] = [
    "",
    "{",
    "null",
    "[]",
    r#"{"type":7}"#,
    r#"{"type":"nonsense"}"#,
    r#"{"type":"registerfunction"}"#,
    r#"{"type":"invokefunction","function_id":7}"#,
    r#"{"type":"registertrigger","id":"t0","trigger_type":"http"}"#,
    r#"{"type":"workerregistered","worker_id":"w"}"#,
];

/// One thing happens.
pub(super) fn step<M: Machine>(world: &mut World<M>, dice: &mut Dice) {
    pass_time(world, dice);
    let kind = dice.below(1_000);
    let Some(by) = dice.one(&world.session_ids()).copied() else {
        world.connect();
        return;
    };
    match kind {
        0..20 if world.live.len() < SESSIONS_MAX => {
            world.connect();
        }
        20..35 => {
            world.counts.faults += 1;
            world.disconnect(by);
        }
        35..45 => reattach(world, dice, by),
        45..130 => register(world, dice, by),
        130..180 => {
            let id = any(dice, &FUNCTIONS);
            world.unregister_function(by, id);
        }
        180..260 => register_trigger(world, dice, by),
        260..300 => {
            let id = any(dice, &TRIGGERS);
            world.unregister_trigger(by, id);
        }
        300..325 => {
            let registers = dice.chance(50);
            let id = any(dice, &TYPES[..2]);
            match registers {
                true => world.register_type(by, id),
                false => world.unregister_type(by, id),
            }
        }
        325..570 => invoke(world, dice, by),
        570..790 => answer_call(world, dice, by),
        790..830 => answer_trigger(world, dice, by),
        830..900 => request(world, dice),
        900..903 => {
            if let Some(exchange) = world.abandon_newest() {
                world.counts.faults += 1;
                world.input(Input::HttpAbandoned { exchange });
            }
        }
        903..960 => end_request(world, dice),
        960..965 => world.send(by, r#"{"type":"ping"}"#),
        _ => fault(world, dice, by),
    }
}

fn any<T: Copy + Default>(dice: &mut Dice, of: &[T]) -> T {
    dice.one(of).copied().unwrap_or_default()
}

/// A little, and now and again a lot; the clock on the wall may be set as well.
fn pass_time<M: Machine>(world: &mut World<M>, dice: &mut Dice) {
    world.monotonic += Duration::from_millis(dice.below_u64(40));
    match dice.below(20_000) {
        0 => {
            world.counts.faults += 1;
            world.monotonic += Duration::from_secs(3_600);
        }
        1 => {
            world.counts.faults += 1;
            world.set += Duration::from_secs(3_600);
        }
        2..100 => {
            world.counts.faults += 1;
            world.monotonic += Duration::from_secs(1 + dice.below_u64(40));
        }
        _ => {}
    }
    world.tick_if_due();
}

/// With the right token or a wrong one, of a session that is there or has gone.
fn reattach<M: Machine>(world: &mut World<M>, dice: &mut Dice, by: SessionId) {
    let gone = world.gone.iter().map(|(_, it)| it);
    let all: Vec<(String, String)> = world
        .live
        .iter()
        .map(|(_, it)| it)
        .chain(gone)
        .map(|it| (it.worker_id.clone(), it.token.clone()))
        .collect();
    let (Some((worker_id, right)), Some((_, other))) = (dice.one(&all), dice.one(&all)) else {
        return;
    };
    let token = if dice.chance(80) { right } else { other };
    let frame = format!(
        r#"{{"type":"reattach","previous_worker_id":"{worker_id}","reattach_token":"{token}"}}"#
    );
    world.send(by, &frame);
}

fn register<M: Machine>(world: &mut World<M>, dice: &mut Dice, by: SessionId) {
    let id = any(dice, &FUNCTIONS);
    let frame = match dice.below(10) {
        0 | 1 => {
            let auth = any(dice, &["TOKEN", "TOKEN", "MISSING"]);
            let timeout = 1 + dice.below(60_000);
            format!(
                r#"{{"type":"registerfunction","id":"{id}","invocation":{{"url":"http://127.0.0.1:9/","timeout_ms":{timeout},"auth":{{"type":"bearer","token_key":"{auth}"}}}}}}"#
            )
        }
        _ => register_function(id),
    };
    world.register_function(by, id, &frame);
}

fn register_trigger<M: Machine>(world: &mut World<M>, dice: &mut Dice, by: SessionId) {
    let (id, function) = (any(dice, &TRIGGERS), any(dice, &FUNCTIONS));
    let (trigger_type, config) = match dice.below(10) {
        0..4 => {
            let (path, method) = (any(dice, &PATHS), any(dice, &["GET", "POST", "NONE"]));
            (
                "http",
                format!(r#"{{"path":"{path}","method":"{method}"}}"#),
            )
        }
        4 => {
            let schedule = any(dice, &["* * * * *", "*/5 * * * *", "61 * * * *"]);
            ("cron", format!(r#"{{"schedule":"{schedule}"}}"#))
        }
        5 | 6 => {
            let queue = dice.below(3);
            let visible = 1 + dice.below(20);
            (
                "queue",
                format!(
                    r#"{{"queue_name":"q{queue}","batch_size":3,"visibility_timeout":{visible}}}"#
                ),
            )
        }
        _ => (any(dice, &TYPES), "{}".to_owned()),
    };
    world.owe_registration(by, id);
    let frame = format!(
        r#"{{"type":"registertrigger","id":"{id}","trigger_type":"{trigger_type}","function_id":"{function}","config":{config}}}"#
    );
    world.send(by, &frame);
}

fn invoke<M: Machine>(world: &mut World<M>, dice: &mut Dice, by: SessionId) {
    let function = any(dice, &FUNCTIONS);
    match dice.below(20) {
        0 => world.send(
            by,
            &format!(r#"{{"type":"invokefunction","function_id":"{function}","data":1}}"#),
        ),
        1 => {
            let frame = format!(
                r#"{{"type":"invokefunction","invocation_id":"v","function_id":"{function}","action":{{"type":"void"}}}}"#
            );
            world.send(by, &frame);
        }
        2 => {
            let id = world.owe_answer(by);
            let frame = format!(
                r#"{{"type":"invokefunction","invocation_id":"{id}","function_id":"{function}","data":2,"action":{{"type":"enqueue","queue":"calls"}}}}"#
            );
            world.send(by, &frame);
        }
        3 | 4 => {
            let data = format!(r#"{{"queue_name":"q{}","data":3}}"#, dice.below(4));
            world.call(by, "enqueue", &data);
        }
        5 => world.call(by, any(dice, &["engine::workers::list", "nobody"]), "{}"),
        _ => world.call(by, function, r#"{"n":[1,2,3]}"#),
    }
}

/// By the worker that was handed the call or by another one, with sense or without.
fn answer_call<M: Machine>(world: &mut World<M>, dice: &mut Dice, by: SessionId) {
    let Some((worker, id)) = dice.take(&mut world.handed) else {
        return;
    };
    if dice.chance(5) {
        // It is never answered.
        world.counts.faults += 1;
        return;
    }
    let frame = match dice.below(10) {
        0 => format!(
            r#"{{"type":"invocationresult","invocation_id":"{id}","error":{{"code":"own","message":"no"}}}}"#
        ),
        1 => format!(r#"{{"type":"invocationresult","invocation_id":"{id}","error":7}}"#),
        2 => result(&id, r#"{"failed_message_ids":null}"#),
        3 => result(&id, r#"{"status_code":201,"body":"b"}"#),
        _ => result(&id, "[1]"),
    };
    let sender = if dice.chance(5) { by } else { worker };
    world.send(sender, &frame);
    if dice.chance(5) {
        // Once more.
        world.send(sender, &frame);
    }
}

fn answer_trigger<M: Machine>(world: &mut World<M>, dice: &mut Dice, by: SessionId) {
    let Some(announced) = dice.take(&mut world.announced) else {
        return;
    };
    let Announced {
        provider,
        id,
        trigger_type,
        function,
    } = announced;
    let error = any(dice, &["", "", r#","error":{"code":"own","message":"no"}"#]);
    let frame = format!(
        r#"{{"type":"triggerregistrationresult","id":"{id}","trigger_type":"{trigger_type}","function_id":"{function}"{error}}}"#
    );
    let sender = if dice.chance(5) { by } else { provider };
    world.send(sender, &frame);
}

fn request<M: Machine>(world: &mut World<M>, dice: &mut Dice) {
    let method = any(dice, &["GET", "GET", "POST", "HEAD", "OPTIONS", "DELETE"]);
    let body: &[u8] = match dice.below(3) {
        0 => b"",
        1 => br#"{"a":1}"#,
        _ => b"\xff{",
    };
    world.request(method, any(dice, &TARGETS), body);
}

/// One that is under way, or one that has been given up before.
fn end_request<M: Machine>(world: &mut World<M>, dice: &mut Dice) {
    let late = dice.chance(20);
    let call = if late {
        dice.take(&mut world.given_up)
    } else {
        // An endpoint answers soon or never.
        let now = world.monotonic;
        let soon = |since: Duration| since + ENDPOINT_TIME > now;
        let young = world.requests.iter().position(|it| soon(it.1));
        young.map(|at| world.requests.swap_remove(at).0)
    };
    let Some(call) = call else {
        return;
    };
    world.counts.faults += u64::from(late);
    let outcome = match dice.below(6) {
        0 => HttpOutcome::Failed { problem: "reset" },
        1 => HttpOutcome::TooLarge { bytes_max: 1 },
        2 => HttpOutcome::Answer {
            status: 500,
            body: b"oops",
        },
        3 => HttpOutcome::Answer {
            status: 200,
            body: b"<html>",
        },
        _ => HttpOutcome::Answer {
            status: 200,
            body: b"{\"a\":1}",
        },
    };
    world.input(Input::RequestEnded { call, outcome });
}

fn fault<M: Machine>(world: &mut World<M>, dice: &mut Dice, by: SessionId) {
    world.counts.faults += 1;
    match dice.below(20) {
        0..8 => world.send(by, any(dice, &BAD_FRAMES)),
        8..11 => {
            let whole = register_function("cut");
            let cut = whole.get(..dice.below(whole.len())).unwrap_or_default();
            world.send(by, cut);
        }
        11 => world.input(Input::Binary {
            session: by,
            frame: b"\x00\xff",
        }),
        12 => {
            let reason = match dice.below(3) {
                0 => Unreadable::NotUtf8,
                1 => Unreadable::BadFraming { problem: "bits" },
                _ => Unreadable::TooLarge { bytes_max: 1 },
            };
            world.input(Input::Unreadable {
                session: by,
                reason,
            });
        }
        13 => world.input(Input::Overflowed {
            session: by,
            with: Overflow::Unread,
        }),
        _ => from_the_dead(world, dice),
    }
}

/// What was still under way from a session that has ended.
fn from_the_dead<M: Machine>(world: &mut World<M>, dice: &mut Dice) {
    let gone: Vec<SessionId> = world.gone.iter().map(|(id, _)| *id).collect();
    let Some(session) = dice.one(&gone).copied() else {
        return;
    };
    match dice.below(4) {
        0 => world.input(Input::Disconnected { session }),
        1 => world.send(session, &register_function("f0")),
        2 => world.send(session, r#"{"type":"ping"}"#),
        _ => world.input(Input::Overflowed {
            session,
            with: Overflow::Unfinished,
        }),
    }
}
