"""A worker on a published version of iii-sdk that does what it is told.

    python worker.py VERSION URL NAME

The commands and answers are those of `../node/worker.mjs`.
"""

import asyncio
import json
import logging
import os
import sys

import iii

VERSION, URL, NAME = sys.argv[1:]
MODERN = VERSION != "0.8.3"
if MODERN:
    from iii import TriggerAction
    from iii.triggers import TriggerHandler
    from iii_helpers.http import HttpInvocationConfig
else:
    from iii import HttpInvocationConfig
    from iii.triggers import TriggerHandler


class Cannot(Exception):
    pass


def say(**line):
    sys.stdout.write(f"@{json.dumps(line)}\n")
    sys.stdout.flush()


async def hang(_):
    await asyncio.get_running_loop().create_future()


async def fail(_):
    raise RuntimeError("out of stock")


async def echo(data):
    return {"echo": data, "by": NAME}


async def page(request):
    return {"status_code": 201, "headers": {"x-by": NAME}, "body": {"got": request["body"]}}


async def nothing(_):
    return None


# What a registered function does when it is called, by name.
BEHAVIOURS = {"echo": echo, "throw": fail, "hang": hang, "page": page, "nothing": nothing}


class Provider(TriggerHandler):
    def __init__(self, refuses):
        self.refuses = refuses

    async def register_trigger(self, config):
        if self.refuses:
            raise RuntimeError("no such bucket")
        say(event="trigger", trigger=config.id, function=config.function_id, config=config.config)

    async def unregister_trigger(self, config):
        say(event="untrigger", trigger=config.id)


class Worker:
    """A method for each command; what differs between the versions is in here."""

    def __init__(self):
        self.sdk = None
        self.functions = {}
        self.triggers = {}

    async def connect(self):
        options = {"worker_name": NAME}
        if MODERN:
            self.sdk = await asyncio.to_thread(iii.register_worker, URL, iii.InitOptions(**options))
        else:
            connected = asyncio.Event()
            self.sdk = iii.register_worker(URL, iii.InitOptions(**options))
            self.sdk.on_connection_state_change(lambda state: connected.set() if state == "connected" else None)
            await connected.wait()
        await self.call("engine::functions::list", {})

    async def register_function(self, id, behaviour, formats=None):
        async def handler(data):
            say(event="called", function=id, data=data)
            return await self.behave(behaviour, data)

        if formats and not MODERN:
            raise Cannot("its register_function takes no formats")
        self.functions[id] = self.sdk.register_function(id, handler, **(formats or {}))

    async def behave(self, behaviour, data):
        if behaviour == "relay":
            return {"relayed": await self.call(data["to"], data["data"]), "by": NAME}
        return await BEHAVIOURS[behaviour](data)

    async def register_endpoint(self, id, invocation):
        self.functions[id] = self.sdk.register_function(id, HttpInvocationConfig(**invocation))

    async def unregister_function(self, id):
        self.functions[id].unregister()

    async def register_trigger(self, key, type, function_id, config):
        trigger = {"type": type, "function_id": function_id, "config": config}
        self.triggers[key] = self.sdk.register_trigger(trigger) if MODERN else self.sdk.register_trigger(**trigger)

    async def unregister_trigger(self, key):
        self.triggers[key].unregister()

    async def register_trigger_type(self, id, refuses=False):
        about = {"id": id, "description": "Fires when it is told to"}
        if MODERN:
            self.sdk.register_trigger_type(about, Provider(refuses))
        else:
            self.sdk.register_trigger_type(**about, handler=Provider(refuses))

    async def unregister_trigger_type(self, id):
        self.sdk.unregister_trigger_type({"id": id} if MODERN else id)

    async def call(self, id, data):
        if MODERN:
            return await self.sdk.trigger_async({"function_id": id, "payload": data})
        return await self.sdk.trigger(id, data)

    async def call_void(self, id, data):
        if MODERN:
            await self.sdk.trigger_async({"function_id": id, "payload": data, "action": TriggerAction.Void()})
        else:
            self.sdk.trigger_void(id, data)

    async def enqueue(self, id, data, queue):
        if not MODERN:
            raise Cannot("its calls have no actions")
        action = TriggerAction.Enqueue(queue=queue)
        return await self.sdk.trigger_async({"function_id": id, "payload": data, "action": action})

    async def call_many(self, id, count):
        return await asyncio.gather(*(self.call(id, {"number": number}) for number in range(count)))

    async def list_functions(self):
        if MODERN:
            return await self._list("functions", "functions")
        return [it.model_dump() for it in await self.sdk.list_functions()]

    async def list_workers(self):
        if MODERN:
            return await self._list("workers", "workers")
        return [it.model_dump() for it in await self.sdk.list_workers()]

    async def list_trigger_types(self):
        return await self._list("triggers", "triggers")

    async def list_triggers(self):
        return await self._list("registered-triggers", "registered_triggers")

    async def shut_down(self):
        await (asyncio.to_thread(self.sdk.shutdown) if MODERN else self.sdk.shutdown())

    async def _list(self, what, field):
        return (await self.call(f"engine::{what}::list", {}))[field]


async def obey(worker, n, command, arguments):
    try:
        say(n=n, ok=await getattr(worker, command)(**arguments))
    except Cannot as reason:
        say(n=n, cannot=str(reason))
    except Exception as error:
        say(n=n, error={"code": getattr(error, "code", None), "message": str(error)})


async def main():
    loop = asyncio.get_running_loop()
    worker, under_way = Worker(), set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        # Not awaited: a call may take as long as it likes while others are made.
        task = asyncio.create_task(obey(worker, command.pop("n"), command.pop("do"), command))
        under_way.add(task)
        task.add_done_callback(under_way.discard)


logging.basicConfig(level=logging.INFO)
asyncio.run(main())
# A thread of the SDK's would go on.
os._exit(0)
