"""One function, fired by an http, a cron and a queue trigger. Needs `pip install websockets`."""
import json, sys
from websockets.sync.client import connect

with connect(sys.argv[1] if sys.argv[1:] else "ws://127.0.0.1:49134") as worker:
    say = lambda **frame: worker.send(json.dumps(frame))
    say(type="registerfunction", id="hello")
    for kind, config in {"http": {"path": "/hello/:name", "method": "GET"},
                         "cron": {"schedule": "*/5 * * * * *", "timezone": "UTC"},
                         "queue": {"queue_name": "greetings", "batch_size": 10}}.items():
        say(type="registertrigger", id=kind, trigger_type=kind, function_id="hello", config=config)
    say(type="invokefunction", function_id="enqueue", data={"queue_name": "greetings", "data": "hi"})
    for frame in map(json.loads, worker):
        print(json.dumps(frame), flush=True)
        if frame["type"] == "invokefunction":
            say(type="invocationresult", invocation_id=frame["invocation_id"], result={"body": "seen"})
