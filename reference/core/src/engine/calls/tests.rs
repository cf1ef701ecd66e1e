use uuid::Uuid;

use super::ROOM_MIN;
use crate::{
    Effect, Engine, Environment, IdSource, Input, Machine, Now, SessionId, Variable, World,
    wire::Message,
};

#[derive(Default)]
struct Ids(u128);

impl IdSource for Ids {
    fn next_id(&mut self) -> Uuid {
        self.0 += 1;
        Uuid::from_u128(self.0)
    }
}

struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _name: &str) -> Variable {
        Variable::Missing
    }
}

#[test]
fn a_crowd_of_calls_leaves_no_room_behind() {
    const CALLS: usize = 20 * ROOM_MIN;
    let session = SessionId(1);
    let (mut engine, mut ids) = (Engine::default(), Ids::default());
    let mut give = |engine: &mut Engine, input: Input<'_>| {
        let mut effects = Vec::new();
        let mut world = World {
            now: Now {
                monotonic: std::time::Duration::ZERO,
                wall: std::time::Duration::ZERO,
            },
            ids: &mut ids,
            environment: &Nothing,
        };
        engine.handle(input, &mut world, &mut effects);
        effects
    };
    give(&mut engine, Input::Connected { session });
    let frame = r#"{"type":"registerfunction","id":"f"}"#;
    give(&mut engine, Input::Text { session, frame });
    let frame = r#"{"type":"invokefunction","function_id":"f","data":1}"#;
    let mut handed = Vec::new();
    for _ in 0..CALLS {
        handed.extend(give(&mut engine, Input::Text { session, frame }));
    }
    assert_eq!(engine.calls.in_flight.len(), CALLS);
    for effect in handed {
        let Effect::Send { frame, .. } = effect else {
            panic!("{effect:?}");
        };
        let Ok(Message::InvokeFunction(call)) = Message::decode(&frame) else {
            panic!("{frame}");
        };
        let id = call.invocation_id.unwrap();
        let frame = format!(r#"{{"type":"invocationresult","invocation_id":"{id}"}}"#);
        give(
            &mut engine,
            Input::Text {
                session,
                frame: &frame,
            },
        );
    }
    assert_eq!(engine.calls.in_flight.len(), 0);
    assert!(engine.calls.in_flight.capacity() <= 16 * ROOM_MIN);
}
