"""What is demanded of each version of the SDK, in the order in which it is run.

The title of a check is its docstring. Each has functions and triggers of its own; `a` and `b` are two workers on the
version under test.
"""

import json

from . import connections, trigger_types
from .endpoint import AUTH
from .waiting import LeftOut, demand, same

FORMATS = {
    "description": "Creates an order",
    "request_format": {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]},
    "response_format": {"type": "object", "properties": {"order": {"type": "string"}}},
}
DATA = {"amount": 12.5, "count": 9007199254740991, "text": "Grüße ☃ \"\\", "list": [1, [], {"deep": True}]}


def connects(stage):
    """two workers connect"""
    stage.a, stage.b = stage.start("a"), stage.start("b")
    for name in ("a", "b"):
        stage.engine.logged(f"is `{name}`")


def registers_formats(stage):
    """a function is registered with its formats"""
    stage.a.do("register_function", id="orders.create", behaviour="echo", formats=FORMATS)
    stage.engine.logged("registered function `orders.create`")
    functions = {it["function_id"]: it for it in stage.b.do("list_functions")}
    listed = functions["orders.create"]
    same({key: listed.get(key) for key in FORMATS}, FORMATS, "what is listed")


def calls(stage):
    """a call of another worker's function has its result"""
    stage.a.do("register_function", id="echo", behaviour="echo")
    stage.engine.logged("registered function `echo`")
    same(stage.b.do("call", id="echo", data=DATA), {"echo": DATA, "by": "a"}, "the result")
    same(stage.a.event("called", function="echo")["data"], DATA, "the payload")
    stage.a.do("register_function", id="nothing", behaviour="nothing")
    stage.engine.logged("registered function `nothing`")
    same(stage.b.do("call", id="nothing", data=DATA), None, "the result of a function that has none")


def calls_its_own(stage):
    """a worker calls its own function"""
    same(stage.a.do("call", id="echo", data=1), {"echo": 1, "by": "a"}, "the result")


def calls_void(stage):
    """a void call arrives"""
    stage.b.do("call_void", id="echo", data={"void": 1})
    stage.a.event("called", function="echo", data={"void": 1})


def enqueues(stage):
    """a call through a queue has a receipt, and arrives"""
    receipt = stage.b.do("enqueue", id="echo", data={"queued": 1}, queue="orders")
    demand(isinstance(receipt.get("messageReceiptId"), str), f"no receipt: {receipt!r}")
    stage.a.event("called", function="echo", data={"queued": 1})


def handler_throws(stage):
    """a handler that throws is an error to the caller"""
    stage.a.do("register_function", id="throws", behaviour="throw")
    stage.engine.logged("registered function `throws`")
    error = stage.b.refused("call", id="throws", data=None)
    demand("out of stock" in error.message, f"the message is {error.message!r}")
    demand("invocation_failed" in (error.code or error.message), f"the code is {error.code!r}")


def function_unknown(stage):
    """a call of a function that nobody serves is an error"""
    error = stage.b.refused("call", id="no.such", data=None)
    demand("function_not_found" in (error.code or error.message), f"the error is {error.code!r}, {error.message!r}")


def calls_many(stage):
    """200 calls at once have each its own result"""
    results = stage.b.do("call_many", id="echo", count=200)
    same([it["echo"]["number"] for it in results], list(range(200)), "the results")


def http_invoked(stage):
    """functions invoked over HTTP, with each kind of credential"""
    for kind, auth in AUTH.items():
        url = f"{stage.endpoint.url}/{kind}"
        stage.a.do("register_endpoint", id=f"external.{kind}", invocation={"url": url, "auth": auth})
        stage.engine.logged(f"registered function `external.{kind}`")
        wanted = {"verified": kind, "got": DATA, "function": f"external.{kind}"}
        same(stage.b.do("call", id=f"external.{kind}", data=DATA), wanted, f"the result with {kind}")


def http_trigger(stage):
    """an http trigger calls its function, and its result is the answer"""
    stage.a.do("register_function", id="process_webhook", behaviour="page")
    config = {"path": "/webhooks/github", "method": "POST"}
    stage.a.do("register_trigger", key="http", type="http", function_id="process_webhook", config=config)
    stage.engine.logged("registered trigger", "process_webhook")
    status, headers, body = stage.request("/webhooks/github?ref=1", "POST", json.dumps(DATA).encode())
    same((status, headers["x-by"], json.loads(body)), (201, "a", {"got": DATA}), "the answer")
    request = stage.a.event("called", function="process_webhook")["data"]
    same((request["path"], request["method"]), ("/webhooks/github", "POST"), "the request")
    same(request["query_params"], {"ref": "1"}, "the query")


def cron_trigger(stage):
    """a cron trigger of each second calls its function"""
    stage.a.do("register_function", id="generate_report", behaviour="nothing")
    config = {"schedule": "* * * * * *", "timezone": "America/New_York"}
    stage.a.do("register_trigger", key="cron", type="cron", function_id="generate_report", config=config)
    second = stage.a.event("called", count=2, function="generate_report")["data"]
    first = stage.a.event("called", function="generate_report")["data"]
    same(first["trigger"], "cron", "what fired")
    demand(first["scheduled_time"] < second["scheduled_time"], f"fired as {first} and {second}")
    unregister_trigger(stage, "cron", "generate_report")


def daily_cron_trigger(stage):
    """the documents' cron trigger, of nine in the morning in New York, is registered and listed"""
    stage.a.do("register_function", id="generate_daily_report", behaviour="nothing")
    config = {"schedule": "0 9 * * *", "timezone": "America/New_York"}
    stage.a.do("register_trigger", key="daily", type="cron", function_id="generate_daily_report", config=config)
    stage.engine.logged("registered trigger", "generate_daily_report")
    listed = [it["config"] for it in stage.b.do("list_triggers") if it["function_id"] == "generate_daily_report"]
    same(listed, [config], "the configs that are listed")
    unregister_trigger(stage, "daily", "generate_daily_report")


def unregister_trigger(stage, key, function):
    """The only trigger for the function; its id is of the SDK's making."""
    listed = [it["id"] for it in stage.a.do("list_triggers") if it["function_id"] == function]
    stage.a.do("unregister_trigger", key=key)
    stage.engine.logged(f"unregistered trigger `{listed[0]}`")


def queue_trigger(stage):
    """a queue trigger calls its function with the messages"""
    stage.a.do("register_function", id="send_email", behaviour="nothing")
    config = {"queue_name": "email_queue", "batch_size": 10, "visibility_timeout": 30}
    stage.a.do("register_trigger", key="queue", type="queue", function_id="send_email", config=config)
    stage.engine.logged("registered trigger", "send_email")
    receipt = stage.b.do("call", id="enqueue", data={"queue_name": "email_queue", "data": DATA})
    delivery = stage.a.event("called", function="send_email")["data"]
    wanted = [(receipt["messageReceiptId"], DATA, 1)]
    got = [(it["message_id"], it["data"], it["attempt"]) for it in delivery["messages"]]
    same((delivery["queue_name"], got), ("email_queue", wanted), "the delivery")


BAD_TRIGGERS = {
    "trigger_type_not_found: No trigger type registered with ID 'nonexistent_type'": (
        {"type": "nonexistent_type", "function_id": "echo", "config": {}}
    ),
    "function_not_found: No function registered with ID 'nonexistent_function'": (
        {"type": "http", "function_id": "nonexistent_function", "config": {"path": "/test"}}
    ),
    "invalid_config: Invalid cron expression: 'invalid cron expression'": (
        {"type": "cron", "function_id": "echo", "config": {"schedule": "invalid cron expression"}}
    ),
}


def trigger_refused(stage):
    """a trigger that is refused: in the engine's log, and the session goes on"""
    for error, trigger in BAD_TRIGGERS.items():
        stage.b.do("register_trigger", key=error, **trigger)
        stage.engine.logged("refused trigger", error)
    same(stage.b.do("call", id="echo", data=1), {"echo": 1, "by": "a"}, "the result of a later call")


def trigger_refused_in_the_sdk(stage):
    """a trigger that is refused: in the SDK's log"""
    if not stage.is_modern:
        raise LeftOut("it does not read triggerregistrationresult")
    for error in BAD_TRIGGERS:
        stage.b.logged("Trigger registration failed", error.partition(": ")[2])
    # Else it would register them again with each connection.
    for error in BAD_TRIGGERS:
        stage.b.do("unregister_trigger", key=error)


def function_refused(stage):
    """a function that is refused: in the engine's log, and the session goes on"""
    auth = {"type": "bearer", "token_key": "CLIENTS_NOT_SET"}
    stage.b.do("register_endpoint", id="refused", invocation={"url": stage.endpoint.url, "auth": auth})
    stage.engine.logged("refused function `refused`", "missing_env_var", "'CLIENTS_NOT_SET'")
    error = stage.b.refused("call", id="refused", data=None)
    demand("function_not_found" in (error.code or error.message), f"the error is {error.code!r}, {error.message!r}")
    stage.b.do("unregister_function", id="refused")


def function_refused_in_the_sdk(_stage):
    """a function that is refused: in the SDK's log"""
    raise LeftOut("no version reads functionregistrationresult (D-01)")


def lists(stage):
    """functions, workers, trigger types and triggers are listed"""
    functions = [it["function_id"] for it in stage.b.do("list_functions")]
    demand({"echo", "process_webhook"} <= set(functions), f"the functions are {functions}")
    workers = {it.get("name"): it for it in stage.b.do("list_workers")}
    demand({"a", "b"} <= set(workers), f"the workers are {list(workers)}")
    demand("echo" in workers["a"]["functions"], f"the functions of a are {workers['a']['functions']}")
    same(workers["a"]["status"], "connected", "the status of a")
    types = {it["id"] for it in stage.b.do("list_trigger_types")}
    demand({"http", "cron", "queue"} <= types, f"the trigger types are {sorted(types)}")
    triggers = {(it["trigger_type"], it["function_id"]) for it in stage.b.do("list_triggers")}
    demand({("http", "process_webhook"), ("queue", "send_email")} <= triggers, f"the triggers are {triggers}")


def unregisters(stage):
    """functions and triggers are unregistered"""
    unregister_trigger(stage, "http", "process_webhook")
    same(stage.request("/webhooks/github", "POST", b"1")[0], 404, "the status of the route")
    stage.a.do("unregister_function", id="process_webhook")
    stage.engine.logged("unregistered function `process_webhook`")
    error = stage.b.refused("call", id="process_webhook", data=None)
    demand("function_not_found" in (error.code or error.message), f"the error is {error.code!r}, {error.message!r}")


ALL = [
    connects, registers_formats, calls, calls_its_own, calls_void, enqueues, handler_throws, function_unknown,
    calls_many, http_invoked, http_trigger, cron_trigger, daily_cron_trigger, queue_trigger, trigger_refused,
    trigger_refused_in_the_sdk, function_refused, function_refused_in_the_sdk, lists, unregisters,
    *trigger_types.ALL, *connections.ALL,
]  # fmt: skip
