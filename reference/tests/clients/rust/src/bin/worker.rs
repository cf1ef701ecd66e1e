//! A worker on a published version of iii-sdk that does what it is told.
//!
//!     worker VERSION URL NAME
//!
//! The commands and answers are those of `../../../node/worker.mjs`.

// Triggers and trigger types are deprecated in this version, and what replaces them is no part of the documents.
#![allow(deprecated)]

use std::collections::HashMap;
use std::io::{BufRead, Write, stderr, stdin, stdout};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use iii_helpers::http::HttpInvocationConfig;
use iii_sdk::iii::WorkerMetadata;
use iii_sdk::protocol::{RegisterTriggerInput, TriggerRequest};
use iii_sdk::runtime::FunctionRef;
use iii_sdk::trigger::{Trigger, TriggerConfig, TriggerHandler};
use iii_sdk::{
    Error, IIIClient, InitOptions, RegisterFunction, RegisterTriggerType, TriggerAction,
    register_worker,
};
use serde_json::{Value, json};

fn say(line: Value) {
    // Once nobody listens there is nobody to tell.
    let _ = writeln!(stdout().lock(), "@{line}");
}

/// What a registered function is, and what its worker is called by.
struct About {
    id: String,
    behaviour: String,
    name: String,
}

/// What a registered function does when it is called, by name.
async fn behave(about: &About, sdk: &IIIClient, data: Value) -> Result<Value, Error> {
    let name = &about.name;
    match about.behaviour.as_str() {
        "echo" => Ok(json!({ "echo": data, "by": name })),
        "throw" => Err(Error::Handler("out of stock".into())),
        "hang" => std::future::pending().await,
        "page" => Ok(json!({
            "status_code": 201, "headers": { "x-by": name }, "body": { "got": data["body"] },
        })),
        "nothing" => Ok(Value::Null),
        "relay" => {
            let request = TriggerRequest::new(text(&data, "to"), data["data"].clone());
            Ok(json!({ "relayed": sdk.trigger(request).await?, "by": name }))
        }
        other => Err(Error::Handler(format!("there is no behaviour {other:?}"))),
    }
}

struct Provider {
    refuses: bool,
}

#[async_trait]
impl TriggerHandler for Provider {
    async fn register_trigger(&self, trigger: TriggerConfig) -> Result<(), Error> {
        if self.refuses {
            return Err("no such bucket".into());
        }
        let (id, function) = (trigger.id, trigger.function_id);
        say(
            json!({ "event": "trigger", "trigger": id, "function": function, "config": trigger.config }),
        );
        Ok(())
    }

    async fn unregister_trigger(&self, trigger: TriggerConfig) -> Result<(), Error> {
        say(json!({ "event": "untrigger", "trigger": trigger.id }));
        Ok(())
    }
}

#[derive(Default)]
struct Registered {
    functions: HashMap<String, FunctionRef>,
    triggers: HashMap<String, Trigger>,
}

struct Worker {
    url: String,
    name: String,
    sdk: OnceLock<IIIClient>,
    registered: Mutex<Registered>,
}

impl Worker {
    async fn obey(&self, command: &str, given: &Value) -> Result<Value, Error> {
        match command {
            "connect" => self.connect().await,
            "register_function" => self.register_function(given),
            "register_endpoint" => self.register_endpoint(given),
            "unregister_function" => {
                let function = self.registered().functions.remove(text(given, "id"));
                function.ok_or("there is no such function")?.unregister();
                Ok(Value::Null)
            }
            "register_trigger" => self.register_trigger(given),
            "unregister_trigger" => {
                let trigger = self.registered().triggers.remove(text(given, "key"));
                trigger.ok_or("there is no such trigger")?.unregister();
                Ok(Value::Null)
            }
            "register_trigger_type" => {
                let provider = Provider {
                    refuses: given["refuses"] == true,
                };
                let description = "Fires when it is told to";
                self.sdk()?.register_trigger_type(RegisterTriggerType::new(
                    text(given, "id"),
                    description,
                    provider,
                ));
                Ok(Value::Null)
            }
            "unregister_trigger_type" => {
                self.sdk()?.unregister_trigger_type(text(given, "id"));
                Ok(Value::Null)
            }
            "call" => {
                self.call(text(given, "id"), given["data"].clone(), None)
                    .await
            }
            "call_void" => {
                self.call(
                    text(given, "id"),
                    given["data"].clone(),
                    Some(TriggerAction::Void),
                )
                .await
            }
            "enqueue" => {
                let action = TriggerAction::Enqueue {
                    queue: text(given, "queue").into(),
                };
                self.call(text(given, "id"), given["data"].clone(), Some(action))
                    .await
            }
            "call_many" => self.call_many(given).await,
            "list_functions" => self.list("functions", "functions").await,
            "list_workers" => self.list("workers", "workers").await,
            "list_trigger_types" => self.list("triggers", "triggers").await,
            "list_triggers" => {
                self.list("registered-triggers", "registered_triggers")
                    .await
            }
            "shut_down" => {
                let sdk = self.sdk()?.clone();
                // It waits for the last of the telemetry.
                let ended = tokio::task::spawn_blocking(move || sdk.shutdown()).await;
                ended.map_err(|error| Error::Runtime(error.to_string()))?;
                Ok(Value::Null)
            }
            _ => Err(Error::Runtime(format!("there is no command {command:?}"))),
        }
    }

    async fn connect(&self) -> Result<Value, Error> {
        let metadata = WorkerMetadata {
            name: self.name.clone(),
            ..WorkerMetadata::default()
        };
        let options = InitOptions {
            metadata: Some(metadata),
            ..InitOptions::default()
        };
        self.sdk.get_or_init(|| register_worker(&self.url, options));
        self.call("engine::functions::list", json!({}), None)
            .await?;
        Ok(Value::Null)
    }

    fn register_function(&self, given: &Value) -> Result<Value, Error> {
        let about = Arc::new(About {
            id: text(given, "id").to_owned(),
            behaviour: text(given, "behaviour").to_owned(),
            name: self.name.clone(),
        });
        let id = about.id.clone();
        let sdk = self.sdk()?.clone();
        let mut function = RegisterFunction::new_async(move |data: Value| {
            let (about, sdk) = (about.clone(), sdk.clone());
            async move {
                say(json!({ "event": "called", "function": about.id, "data": data }));
                behave(&about, &sdk, data).await
            }
        });
        if let Some(formats) = given["formats"].as_object() {
            function = function
                .description(text(&given["formats"], "description"))
                .request_format(formats["request_format"].clone())
                .response_format(formats["response_format"].clone());
        }
        self.keep_function(id, function)
    }

    fn register_endpoint(&self, given: &Value) -> Result<Value, Error> {
        let invocation: HttpInvocationConfig = serde_json::from_value(given["invocation"].clone())?;
        self.keep_function(
            text(given, "id").to_owned(),
            RegisterFunction::http(invocation),
        )
    }

    fn keep_function(&self, id: String, function: RegisterFunction) -> Result<Value, Error> {
        let registered = self.sdk()?.register_function(id.clone(), function);
        self.registered().functions.insert(id, registered);
        Ok(Value::Null)
    }

    fn register_trigger(&self, given: &Value) -> Result<Value, Error> {
        let (kind, function) = (text(given, "type"), text(given, "function_id"));
        let trigger = RegisterTriggerInput::new(kind, function, given["config"].clone());
        let registered = self.sdk()?.register_trigger(trigger)?;
        self.registered()
            .triggers
            .insert(text(given, "key").to_owned(), registered);
        Ok(Value::Null)
    }

    async fn call(
        &self,
        id: &str,
        data: Value,
        action: Option<TriggerAction>,
    ) -> Result<Value, Error> {
        let request = TriggerRequest {
            action,
            ..TriggerRequest::new(id, data)
        };
        self.sdk()?.trigger(request).await
    }

    async fn call_many(&self, given: &Value) -> Result<Value, Error> {
        let calls: Vec<_> = (0..given["count"].as_u64().unwrap_or(0))
            .map(|number| {
                let sdk = self.sdk()?.clone();
                let request = TriggerRequest::new(text(given, "id"), json!({ "number": number }));
                Ok(tokio::spawn(async move { sdk.trigger(request).await }))
            })
            .collect::<Result<_, Error>>()?;
        let mut results = Vec::new();
        for call in calls {
            results.push(
                call.await
                    .map_err(|error| Error::Runtime(error.to_string()))??,
            );
        }
        Ok(Value::Array(results))
    }

    async fn list(&self, what: &str, field: &str) -> Result<Value, Error> {
        let mut listed = self
            .call(&format!("engine::{what}::list"), json!({}), None)
            .await?;
        Ok(listed[field].take())
    }

    fn sdk(&self) -> Result<&IIIClient, Error> {
        self.sdk.get().ok_or(Error::NotConnected)
    }

    fn registered(&self) -> MutexGuard<'_, Registered> {
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn text<'a>(given: &'a Value, field: &str) -> &'a str {
    given[field].as_str().unwrap_or_default()
}

fn answer(n: &Value, outcome: Result<Value, Error>) -> Value {
    match outcome {
        Ok(value) => json!({ "n": n, "ok": value }),
        Err(Error::Remote { code, message, .. }) => {
            json!({ "n": n, "error": { "code": code, "message": message } })
        }
        Err(error) => json!({ "n": n, "error": { "code": null, "message": error.to_string() } }),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(stderr)
        .with_ansi(false)
        .init();
    let mut arguments = std::env::args().skip(2);
    let url = arguments.next().ok_or("the URL of the engine is missing")?;
    let name = arguments
        .next()
        .ok_or("the name of the worker is missing")?;
    let worker = Arc::new(Worker {
        url,
        name,
        sdk: OnceLock::new(),
        registered: Mutex::default(),
    });

    let (lines, mut read) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
    while let Some(line) = read.recv().await {
        let given: Value = serde_json::from_str(&line)?;
        let worker = worker.clone();
        // Not awaited: a call may take as long as it likes while others are made.
        tokio::spawn(async move {
            let outcome = worker.obey(text(&given, "do"), &given).await;
            say(answer(&given["n"], outcome));
        });
    }
    Ok(())
}
