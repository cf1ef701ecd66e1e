"""Trigger types that a worker provides, to a worker of the other language and of the same generation."""

from .waiting import LeftOut, demand, same

CONFIG = {"bucket": "in", "sizes": [1, 2.5], "names": {"☃": True}}


def passes_through(stage, provider, consumer):
    """From the registration of a type to the firing of a trigger of it."""
    kind, function = f"blob.{provider.name}", f"images.{consumer.name}"
    provider.do("register_trigger_type", id=kind)
    stage.engine.logged(f"registered trigger type `{kind}`")
    consumer.do("register_function", id=function, behaviour="echo")
    consumer.do("register_trigger", key="blob", type=kind, function_id=function, config=CONFIG)
    told = provider.event("trigger", function=function)
    same(told["config"], CONFIG, "the config that the provider is given")
    stage.engine.logged(f"registered trigger `{told['trigger']}`")
    payload = {"blob": "cat.png"}
    same(provider.do("call", id=function, data=payload)["echo"], payload, "the result that the provider gets")
    same(consumer.event("called", function=function)["data"], payload, "what the consumer is called with")
    consumer.do("unregister_trigger", key="blob")
    stage.engine.logged(f"unregistered trigger `{told['trigger']}`")
    return told["trigger"]


def provides(stage):
    """provides a trigger type to a consumer of the other language"""
    stage.other = stage.start_other("other")
    stage.provided = passes_through(stage, stage.a, stage.other)


def provider_is_told(stage):
    """the provider is told that the trigger is gone"""
    if not stage.is_modern:
        raise LeftOut("it does not read unregistertrigger")
    stage.a.event("untrigger", trigger=stage.provided)


def uses(stage):
    """uses a trigger type of a provider of the other language"""
    passes_through(stage, stage.other, stage.b)


def provider_refuses(stage):
    """a provider's refusal is in the engine's log, and in that of an SDK that reads it"""
    stage.a.do("register_trigger_type", id="refusing", refuses=True)
    stage.engine.logged("registered trigger type `refusing`")
    stage.other.do("register_trigger", key="refused", type="refusing", function_id="echo", config=None)
    stage.engine.logged("refused trigger", "by its provider", "no such bucket")
    if stage.is_modern:
        stage.other.logged("Trigger registration failed", "no such bucket")
    stage.other.do("unregister_trigger", key="refused")


def withdraws(stage):
    """a trigger type is withdrawn"""
    stage.a.do("unregister_trigger_type", id="refusing")
    stage.engine.logged("unregistered trigger type `refusing`")
    types = {it["id"] for it in stage.b.do("list_trigger_types")}
    demand("refusing" not in types and "blob.a" in types, f"the trigger types are {sorted(types)}")
    stage.other.end()


ALL = [provides, provider_is_told, uses, provider_refuses, withdraws]
