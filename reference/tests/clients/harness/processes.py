"""The processes of a run: engines, and clients that do what they are told."""

import itertools
import json
import os
import signal
import subprocess
import threading

from .waiting import Failed, LeftOut, demand, tell, until


class Refused(Exception):
    """A command of a client ended in an error: of a call, what the SDK made of the engine's."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.code, self.message = error["code"], error["message"]


def error_of(wait):
    """The error that a command which was begun has to end in."""
    try:
        got = wait()
    except Refused as error:
        return error
    raise Failed(f"it has to fail, and gave {got!r}")


class Process:
    """A process whose lines are kept as they come."""

    def __init__(self, command, environment, folder):
        self.lines = {"out": [], "err": []}
        self._process = subprocess.Popen(
            command, env=environment, cwd=folder, text=True, encoding="utf-8", errors="replace",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        streams = [(self._process.stdout, "out"), (self._process.stderr, "err")]
        self._readers = [threading.Thread(target=self._read, args=it, daemon=True) for it in streams]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, name):
        for line in stream:
            tell(lambda line=line.rstrip("\n"): self._take(name, line))
        tell(lambda: None)

    def _take(self, name, line):
        self.lines[name].append(line)

    def has_ended(self):
        return self._process.poll() is not None

    def write(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def end(self, with_signal=signal.SIGKILL):
        """Ends it and gives its exit code, negative for a signal."""
        if not self.has_ended():
            self._process.send_signal(with_signal)
        return self.ended()

    def ended(self, seconds=30):
        """Its exit code, once it has ended and all that it wrote is read."""
        try:
            exit_code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"the process has not ended within {seconds} s") from None
        for reader in self._readers:
            reader.join(5)
        return exit_code


class Engine(Process):
    def __init__(self, binary, environment, folder):
        super().__init__([binary, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"], environment, folder)
        self.address = self._announced("listening on ws://")
        self.http_url = "http://" + self._announced("http triggers on http://")

    def _announced(self, beginning):
        def line():
            demand(not self.has_ended(), "the engine has ended: " + "\n".join(self.log()))
            return next((it for it in self.lines["out"] if it.startswith(beginning)), None)

        return until(f"the engine says {beginning!r}", line).removeprefix(beginning).rstrip("/")

    def log(self):
        return list(self.lines["err"])

    def logged(self, *words, count=1):
        """Waits for as many lines of its log that have all of the words."""
        wait_for_lines("the engine", self.log, words, count)


class Client(Process):
    """A worker on an SDK. A command that it does not have raises `LeftOut`."""

    def __init__(self, command, environment, folder, name):
        self.name, self.said = name, []
        self._numbers = itertools.count(1)
        super().__init__(command, environment, folder)

    def _take(self, name, line):
        if name == "out" and line.startswith("@"):
            self.said.append(json.loads(line[1:]))
        else:
            super()._take(name, line)

    def begin(self, command, **arguments):
        """Gives a command and does not wait; what it returns does, and gives its answer."""
        n = next(self._numbers)
        try:
            self.write(json.dumps({"n": n, "do": command, **arguments}))
        except OSError:
            raise Failed(f"{self.name} has ended: {self.log()[-5:]}") from None

        def answer():
            demand(not self.has_ended(), f"{self.name} has ended: {self.log()[-5:]}")
            return next((it for it in list(self.said) if it.get("n") == n), None)

        def wait():
            answered = until(f"{self.name} answers {command} {arguments}", answer, seconds=40)
            if "cannot" in answered:
                raise LeftOut(answered["cannot"])
            if "error" in answered:
                raise Refused(answered["error"])
            return answered["ok"]

        return wait

    def do(self, command, **arguments):
        return self.begin(command, **arguments)()

    def refused(self, command, **arguments):
        """The error that the command has to end in."""
        return error_of(self.begin(command, **arguments))

    def events(self, kind, **fields):
        fits = lambda it: it.get("event") == kind and all(it.get(key) == value for key, value in fields.items())
        return [it for it in list(self.said) if fits(it)]

    def event(self, kind, count=1, **fields):
        """Waits for as many events of the kind, and gives the last one of them."""
        what = f"{self.name} tells {count} × {kind} {fields}"
        return until(what, lambda: self.events(kind, **fields)[count - 1 : count])[0]

    def log(self):
        """What the SDK itself has written."""
        return self.lines["out"] + self.lines["err"]

    def logged(self, *words):
        wait_for_lines(self.name, self.log, words, count=1)


def wait_for_lines(whose, log, words, count):
    fits = lambda line: all(word in line for word in words)
    until(f"{count} × {words} in the log of {whose}", lambda: len(list(filter(fits, log()))) >= count)


def environment(home, **more):
    """Of this process only what programs need to start; files of the SDKs go to `home`."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "SYSTEMROOT") if name in os.environ}
    return {**kept, "HOME": str(home), **more}
