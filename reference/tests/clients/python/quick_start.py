import os

from iii import register_worker

worker = register_worker(os.environ.get("III_URL", "ws://127.0.0.1:49134"))


async def greet(data):
    return {"greeting": f"Hello, {data['name']}!"}


worker.register_function("greet", greet)
print(worker.trigger({"function_id": "greet", "payload": {"name": "Ada"}}))
worker.shutdown()
