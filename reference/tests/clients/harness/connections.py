"""Connections that are lost and come again, telemetry, and what the wire shows in the end."""

import collections
import signal

from .processes import error_of
from .waiting import LeftOut, demand, same, until

TELEMETRY = (b"OTLP", b"MTRC", b"LOGS")


def killed_in_a_call(stage):
    """a worker that is killed in mid-call: the caller gets an error"""
    victim = stage.start("victim")
    victim.do("register_function", id="hangs", behaviour="hang")
    stage.engine.logged("registered function `hangs`")
    call = stage.b.begin("call", id="hangs", data=1)
    victim.event("called", function="hangs")
    victim.end()
    error = error_of(call)
    demand("invocation_stopped" in (error.code or error.message), f"the error is {error.code!r}, {error.message!r}")


def prepare(stage):
    stage.a.do("register_function", id="page", behaviour="page")
    config = {"path": "/restarted", "method": "GET"}
    stage.a.do("register_trigger", key="page", type="http", function_id="page", config=config)
    stage.engine.logged("registered trigger", "page")


def is_whole_again(stage, times=1):
    """Everything is registered with the engine once, and each call is made once.

    `a` has said `times` times what it is: each version does so after it has registered all else.
    """
    stage.engine.logged("is `a`", count=times)
    stage.engine.logged("is `b`")
    same(sorted(workers(stage)), ["a", "b"], "the workers")
    same(workers(stage, serving="page"), ["a"], "who serves the function")
    triggers = [it["config"] for it in stage.b.do("list_triggers") if it["function_id"] == "page"]
    same(triggers, [{"path": "/restarted", "method": "GET"}], "the triggers")
    mark = f"after {len(stage.wire.connections)} connections"
    same(stage.b.do("call", id="echo", data=mark), {"echo": mark, "by": "a"}, "the result")
    stage.a.event("called", function="echo", data=mark)
    same(len(stage.a.events("called", function="echo", data=mark)), 1, "how often it was called")
    before = len(stage.a.events("called", function="page"))
    same(stage.request("/restarted")[0], 201, "the status of the route")
    stage.a.event("called", count=before + 1, function="page")
    same(len(stage.a.events("called", function="page")), before + 1, "how often its function was called")


def workers(stage, serving=None):
    listed = [it for it in stage.b.do("list_workers") if serving is None or serving in it["functions"]]
    return [it.get("name") or "one without a name" for it in listed]


def engine_is_killed(stage):
    """the engine is killed and restarted: all is registered again, and nothing twice"""
    prepare(stage)
    stage.b.begin("call_many", id="echo", count=200)
    stage.restart_engine(signal.SIGKILL)
    is_whole_again(stage)


def engine_is_stopped(stage):
    """the engine is stopped in good order and restarted: all is registered again, and nothing twice"""
    stage.restart_engine(signal.SIGTERM)
    is_whole_again(stage)


def reattaches(stage):
    """a worker that lost its connection reattaches while the engine still has the old one"""
    if not stage.is_modern:
        raise LeftOut("it has no reattach")
    has_page = lambda it: any(frame["id"] == "page" for frame in it.sent("registerfunction"))
    registered = [it for it in stage.wire.connections if has_page(it)]
    registered[-1].cut()
    stage.engine.logged("session ended: the worker has reconnected")
    is_whole_again(stage, times=2)


def telemetry_sockets(stage):
    """sockets for telemetry, on as shipped, are no workers"""
    own = [it for it in stage.wire.connections if not it.sent("invokefunction")]
    demand(own, "no such socket was opened")
    same(sorted(workers(stage)), ["a", "b"], "the workers")
    answers = [message for it in own for message in it.messages["down"] if b"workerregistered" not in message[0]]
    same(answers, [], "what the engine has answered on them")


def telemetry_frames(stage):
    """frames of telemetry, on as shipped, do no harm"""
    # What has not been sent yet is sent then.
    for client in (stage.b, stage.a):
        client.do("shut_down")
    if stage.client == "python-0.8.3":
        raise LeftOut("it sends none of its own accord")
    frames = until("telemetry was sent", stage.wire.binaries)
    strange = [it for it in frames if not it.startswith(TELEMETRY)]
    same(strange, [], "binary frames that are no telemetry")


def nothing_is_amiss(stage):
    """the engine has understood every frame, and answered no call twice"""
    lines = [line for engine in stage.engines for line in engine.log()]
    same([line for line in lines if "bad frame" in line], [], "in the engine's log")
    late = {frame["invocation_id"] for it in stage.wire.connections for frame in late_answers(it)}
    dropped = [line for line in lines if "dropped" in line and not any(id in line for id in late)]
    same(dropped, [], "in the engine's log")
    answers = collections.Counter(
        (number, frame["invocation_id"])
        for number, connection in enumerate(stage.wire.connections)
        for frame in connection.received("invocationresult")
    )
    demand(len(answers) > 200, f"only {len(answers)} answers were seen")
    same([answered for answered, count in answers.items() if count > 1], [], "what was answered twice")


def late_answers(connection):
    """Answers to calls that came on a connection before this one, which the engine drops (D-15)."""
    asked = {frame["invocation_id"] for frame in connection.received("invokefunction")}
    return [frame for frame in connection.sent("invocationresult") if frame["invocation_id"] not in asked]


ALL = [
    killed_in_a_call, engine_is_killed, engine_is_stopped, reattaches, telemetry_sockets, telemetry_frames,
    nothing_is_amiss,
]  # fmt: skip
