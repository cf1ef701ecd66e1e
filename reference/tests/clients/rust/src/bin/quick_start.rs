use iii_sdk::protocol::TriggerRequest;
use iii_sdk::{Error, InitOptions, RegisterFunction, register_worker_from_env};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let worker = register_worker_from_env(InitOptions::default());

    let greet = |data: Value| async move {
        let name = data["name"].as_str().ok_or("no name")?;
        Ok(json!({ "greeting": format!("Hello, {name}!") }))
    };
    worker.register_function("greet", RegisterFunction::new_async(greet));

    let request = TriggerRequest::new("greet", json!({ "name": "Ada" }));
    println!("{}", worker.trigger(request).await?);
    worker.shutdown();
    Ok(())
}
