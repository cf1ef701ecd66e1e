"""What the checks of one client play on: an engine behind a wire, an endpoint, and clients."""

import signal
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from .endpoint import Endpoint
from .processes import Client, Engine, environment
from .waiting import demand
from .wire import Wire

# The same generation of another language: it provides trigger types for this one, and uses its types.
OTHERS = {
    "node-0.22.1": "python-0.25.0",
    "node-0.9.0": "python-0.8.3",
    "python-0.25.0": "node-0.22.1",
    "python-0.8.3": "node-0.9.0",
    "rust-0.25.0": "python-0.25.0",
}
MODERN = ("node-0.22.1", "python-0.25.0", "rust-0.25.0")


class Stage:
    def __init__(self, binary, installation, client):
        self.binary, self.installation, self.client = binary, installation, client
        self.is_modern = client in MODERN
        self.scratch = tempfile.TemporaryDirectory(prefix="clients-")
        self.endpoint, self.wire = Endpoint(), Wire()
        self.clients, self.engines = [], []
        self.start_engine()

    def start_engine(self):
        variables = environment(self.scratch.name, **self.endpoint.environment)
        self.engine = Engine(self.binary, variables, self.scratch.name)
        self.engines.append(self.engine)
        host, port = self.engine.address.split(":")
        self.wire.engine = (host, int(port))

    def restart_engine(self, with_signal):
        exit_code = self.engine.end(with_signal)
        if with_signal == signal.SIGTERM:
            demand(exit_code == 0, f"the engine has ended with {exit_code}")
        self.start_engine()

    def start(self, name, client=None):
        """A client of the version under test, or of another one, that has connected."""
        client = client or self.client
        command = self.installation.worker(client, self.wire.url, name)
        # Its first versions look there for where telemetry goes.
        variables = environment(self.scratch.name, III_URL=self.wire.url, III_BRIDGE_URL=self.wire.url)
        started = Client(command, variables, self.scratch.name, name)
        self.clients.append(started)
        started.do("connect")
        return started

    def start_other(self, name):
        return self.start(name, OTHERS[self.client])

    def request(self, path, method="GET", body=None):
        """Status, headers and body of an answer to a request for an http trigger."""
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(self.engine.http_url + path, method=method, data=body, headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(asked, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def close(self):
        for process in self.clients + self.engines:
            process.end()
        self.scratch.cleanup()

    def write_logs(self, folder):
        """For people who look for the cause of a failure."""
        folder = Path(folder, self.client)
        folder.mkdir(parents=True, exist_ok=True)
        for number, engine in enumerate(self.engines, 1):
            Path(folder, f"engine-{number}.log").write_text("\n".join(engine.log()) + "\n")
        for client in self.clients:
            Path(folder, f"{client.name}.log").write_text("\n".join(client.log()) + "\n")
        with Path(folder, "wire.txt").open("w") as wire:
            for number, connection in enumerate(self.wire.connections, 1):
                for direction, messages in connection.messages.items():
                    for message, _ in list(messages):
                        wire.write(f"{number} {connection.path} {direction} {message.decode(errors='replace')}\n")
