//! The functions that the engine serves itself: a worker's introduction, the lists that clients
//! ask for (CO-16, CO-17), and those about queues.

use std::{collections::HashMap, time::Duration};

use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{Engine, Output, sessions::Session};
use crate::{Builtin, EventKind, Failure, SessionId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EngineFunction {
    RegisterWorker,
    ListFunctions,
    ListWorkers,
    ListTriggerTypes,
    ListTriggers,
    Enqueue,
    QueueStats,
    QueuePeek,
}

impl EngineFunction {
    pub(super) fn named(id: &str) -> Option<Self> {
        Some(match id {
            "engine::workers::register" => Self::RegisterWorker,
            "engine::functions::list" => Self::ListFunctions,
            "engine::workers::list" => Self::ListWorkers,
            "engine::triggers::list" => Self::ListTriggerTypes,
            "engine::registered-triggers::list" => Self::ListTriggers,
            "enqueue" => Self::Enqueue,
            "engine::queue::stats" => Self::QueueStats,
            "engine::queue::peek" => Self::QueuePeek,
            _ => return None,
        })
    }
}

/// The longest text about a worker that is kept, in bytes (D-28).
const TEXT_BYTES_MAX: usize = 1_024;

/// What a worker says of itself (CO-16).
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    name: Option<String>,
    runtime: Option<String>,
    version: Option<String>,
    os: Option<String>,
}

impl About {
    /// Every part is optional; what is more, or is no text of up to 1,024 bytes, is ignored
    /// (D-28).
    fn read(data: &RawValue) -> Self {
        let fields: HashMap<String, Value> = serde_json::from_str(data.get()).unwrap_or_default();
        let text = |name| {
            let text = fields.get(name).and_then(Value::as_str);
            text.filter(|it| it.len() <= TEXT_BYTES_MAX)
                .map(str::to_owned)
        };
        Self {
            name: text("name"),
            runtime: text("runtime"),
            version: text("version"),
            os: text("os"),
        }
    }
}

impl Engine {
    pub(super) fn call_engine(
        &mut self,
        session: Option<SessionId>,
        function: EngineFunction,
        data: &RawValue,
        out: &mut Output<'_, '_>,
    ) -> Result<Box<RawValue>, Failure> {
        match function {
            EngineFunction::Enqueue => self.enqueue_data(data, out),
            EngineFunction::QueueStats => self.queue_stats(data),
            EngineFunction::QueuePeek => self.queue_peek(data),
            EngineFunction::ListFunctions => self.list_functions(),
            EngineFunction::ListWorkers => self.list_workers(),
            EngineFunction::ListTriggerTypes => self.list_trigger_types(),
            EngineFunction::ListTriggers => self.list_triggers(),
            EngineFunction::RegisterWorker => {
                if let Some(session) = session {
                    self.describe_worker(session, data, out);
                }
                Ok(RawValue::NULL.to_owned())
            }
        }
    }

    fn describe_worker(&mut self, session: SessionId, data: &RawValue, out: &mut Output<'_, '_>) {
        let about = About::read(data);
        let name = about.name.clone();
        if let Some(session) = self.sessions.get_mut(session) {
            session.about = about;
        }
        if let Some(name) = name {
            self.report(session, EventKind::Described { name }, out);
        }
    }

    fn list_functions(&self) -> Result<Box<RawValue>, Failure> {
        let least = r#"{"function_id":""},"#.len();
        self.check_list(self.functions.len(), least)?;
        let list = self.functions.list();
        self.listing("functions", || {
            list.iter().map(|(id, registration)| ListedFunction {
                function_id: id,
                description: registration.description.as_deref(),
                request_format: registration.request_format.as_deref(),
                response_format: registration.response_format.as_deref(),
                metadata: registration.metadata.as_deref(),
            })
        })
    }

    fn list_workers(&self) -> Result<Box<RawValue>, Failure> {
        self.listing("workers", || {
            let sessions = self.sessions.iter().map(|(_, session)| session);
            let workers = sessions.filter(|session| session.is_worker);
            workers.map(|session| ListedWorker {
                id: session.worker_id.to_string(),
                name: session.about.name.as_deref(),
                runtime: session.about.runtime.as_deref(),
                version: session.about.version.as_deref(),
                os: session.about.os.as_deref(),
                status: "connected",
                connected_at_ms: milliseconds(session.connected_at),
                function_count: session.functions.len(),
                functions: session.functions.keys().map(|id| &**id).collect(),
                active_invocations: session.calls.len(),
            })
        })
    }

    fn list_trigger_types(&self) -> Result<Box<RawValue>, Failure> {
        let least = r#"{"id":""},"#.len();
        self.check_list(self.trigger_types.len(), least)?;
        let list = self.trigger_types.list();
        self.listing("triggers", || {
            let built_in = Builtin::ALL.into_iter().map(|builtin| ListedTriggerType {
                id: builtin.id(),
                description: Some(builtin.description()),
                trigger_request_format: None,
                call_request_format: None,
            });
            let provided = list.iter().map(|(id, provided)| ListedTriggerType {
                id,
                description: provided.description.as_deref(),
                trigger_request_format: provided.trigger_request_format.as_deref(),
                call_request_format: provided.call_request_format.as_deref(),
            });
            built_in.chain(provided)
        })
    }

    fn list_triggers(&self) -> Result<Box<RawValue>, Failure> {
        self.listing("registered_triggers", || {
            self.sessions.iter().flat_map(|(_, it)| triggers_of(it))
        })
    }
}

fn triggers_of(session: &Session) -> impl Iterator<Item = ListedTrigger<'_>> {
    session.triggers.iter().map(|(id, trigger)| ListedTrigger {
        id,
        trigger_type: &trigger.trigger_type,
        function_id: &trigger.function_id,
        config: trigger.config.as_deref(),
        worker_id: session.worker_id.to_string(),
    })
}

fn milliseconds(since_epoch: Duration) -> u64 {
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Serialize)]
struct ListedFunction<'a> {
    function_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_format: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct ListedWorker<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<&'a str>,
    status: &'static str,
    connected_at_ms: u64,
    function_count: usize,
    functions: Vec<&'a str>,
    active_invocations: usize,
}

#[derive(Serialize)]
struct ListedTriggerType<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_request_format: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_request_format: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct ListedTrigger<'a> {
    id: &'a str,
    trigger_type: &'a str,
    function_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a RawValue>,
    worker_id: String,
}
