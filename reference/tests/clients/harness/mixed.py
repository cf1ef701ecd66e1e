"""Workers in all of the languages, each on the newest version, on one engine."""

from .stage import MODERN
from .waiting import demand, same

CONFIG = {"bucket": "in", "sizes": [1, 2.5]}
DATA = {"number": 7, "text": "Grüße ☃"}


def connect(stage):
    """a worker of each language connects"""
    for client in MODERN:
        language = client.partition("-")[0]
        setattr(stage, language, stage.start(language, client))
        stage.engine.logged(f"is `{language}`")


def three_processes(stage):
    """a provider in Node, a function in Python that a trigger of its type is for, a caller in Rust"""
    stage.node.do("register_trigger_type", id="blob")
    stage.engine.logged("registered trigger type `blob`")
    stage.python.do("register_function", id="images.resize", behaviour="echo")
    stage.python.do("register_trigger", key="blob", type="blob", function_id="images.resize", config=CONFIG)
    told = stage.node.event("trigger", function="images.resize")
    same(told["config"], CONFIG, "the config that the provider is given")
    stage.engine.logged(f"registered trigger `{told['trigger']}` (blob) for function `images.resize`")
    for caller, payload in [(stage.node, {"fired": True}), (stage.rust, DATA)]:
        result = caller.do("call", id="images.resize", data=payload)
        same(result, {"echo": payload, "by": "python"}, f"what {caller.name} gets")
        same(stage.python.event("called", data=payload)["function"], "images.resize", "what was called")
    same(len(stage.python.events("called")), 2, "how often it was called")
    listed = {it["function_id"]: it["trigger_type"] for it in stage.rust.do("list_triggers")}
    same(listed, {"images.resize": "blob"}, "the triggers that the caller sees")
    stage.python.do("unregister_trigger", key="blob")
    stage.node.event("untrigger", trigger=told["trigger"])


def chain(stage):
    """a call goes from Rust through Python and Node back to Rust, and its result the same way"""
    for worker, behaviour in [(stage.python, "relay"), (stage.node, "relay"), (stage.rust, "echo")]:
        worker.do("register_function", id=f"chain.{worker.name}", behaviour=behaviour)
        stage.engine.logged(f"registered function `chain.{worker.name}`")
    through_node = {"to": "chain.rust", "data": DATA}
    result = stage.rust.do("call", id="chain.python", data={"to": "chain.node", "data": through_node})
    from_node = {"relayed": {"echo": DATA, "by": "rust"}, "by": "node"}
    same(result, {"relayed": from_node, "by": "python"}, "the result")


def chain_fails(stage):
    """an error at the end of such a chain gets to its beginning"""
    stage.node.do("register_function", id="throws", behaviour="throw")
    stage.engine.logged("registered function `throws`")
    error = stage.rust.refused("call", id="chain.python", data={"to": "throws", "data": None})
    demand("out of stock" in error.message, f"the message is {error.message!r}")


ALL = [connect, three_processes, chain, chain_fails]
