//! Cron triggers, over a real session and by real clocks.

use reference::Options;
use serde_json::json;

use crate::{client::Client, http_client::serve};

#[tokio::test]
async fn a_schedule_fires_as_time_goes_by() {
    let server = serve(Options::default()).await;
    let mut worker = Client::connect(&server.url()).await;
    worker.register("tick").await;
    let config = json!({"schedule": "* * * * * *"});
    worker.trigger("cron", "every-second", "tick", config).await;
    let mut last = String::new();
    for _ in 0..2 {
        let call = worker.served().await;
        let data = &call["data"];
        assert_eq!(call["function_id"], "tick");
        assert_eq!(data["trigger"], "cron");
        assert_eq!(data["job_id"], "every-second");
        let scheduled = data["scheduled_time"].as_str().unwrap().to_owned();
        let actual = data["actual_time"].as_str().unwrap();
        // Both are UTC in one notation, so that their order is that of their text.
        let (seconds, _) = actual.split_once('.').unwrap();
        assert!(*scheduled <= *format!("{seconds}Z"), "{data}");
        assert!(last < scheduled, "{last} and then {data}");
        last = scheduled;
        worker.answer(&call, json!(null)).await;
    }
    let gone = json!({"type": "unregistertrigger", "id": "every-second"});
    worker.send(&gone.to_string()).await;
}
