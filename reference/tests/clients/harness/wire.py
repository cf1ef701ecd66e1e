"""A proxy between the clients and the engine: it passes every byte on, and keeps what was said.

Its address stays while engines come and go behind it.
"""

import json
import socket
import struct
import threading

from .waiting import tell

TEXT, BINARY = 1, 2


class Wire:
    def __init__(self):
        self.engine = None
        self.connections = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def binaries(self):
        """The binary messages that clients have sent, on any connection."""
        messages = [it for connection in list(self.connections) for it in list(connection.messages["up"])]
        return [message for message, opcode in messages if opcode == BINARY]

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            try:
                engine = socket.create_connection(self.engine, timeout=5)
            except OSError:
                client.close()
                continue
            engine.settimeout(None)
            connection = Connection(client, engine)
            tell(lambda connection=connection: self.connections.append(connection))
            connection.start()


class Connection:
    """One connection of a client: `up` is towards the engine, `down` towards the client."""

    def __init__(self, client, engine):
        self.client, self.engine = client, engine
        self.heads = {"up": b"", "down": b""}
        self.messages = {"up": [], "down": []}
        self._is_cut = False

    @property
    def path(self):
        line = self.heads["up"].split(b"\r\n")[0].split(b" ")
        return line[1].decode() if len(line) > 1 else ""

    def start(self):
        for pump in [(self.client, self.engine, "up"), (self.engine, self.client, "down")]:
            threading.Thread(target=self._pump, args=pump, daemon=True).start()

    def cut(self):
        """The client loses the connection, and the engine does not hear of it."""
        self._is_cut = True
        self.client.shutdown(socket.SHUT_RDWR)

    def sent(self, frame_type):
        """The text frames of a type that the client has sent."""
        return self._texts("up", frame_type)

    def received(self, frame_type):
        """The text frames of a type that the engine has sent."""
        return self._texts("down", frame_type)

    def _texts(self, direction, frame_type):
        texts = (json.loads(message) for message, opcode in list(self.messages[direction]) if opcode == TEXT)
        return [frame for frame in texts if frame.get("type") == frame_type]

    def _pump(self, source, sink, direction):
        reader = Reader(self, direction)
        try:
            while data := source.recv(1 << 16):
                reader.feed(data)
                sink.sendall(data)
        except OSError:
            pass
        if not self._is_cut:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Reader:
    """Cuts a stream of bytes into its head and WebSocket messages (RFC 6455, without extensions)."""

    def __init__(self, connection, direction):
        self._connection, self._direction = connection, direction
        self._bytes, self._has_head = b"", False
        self._parts, self._opcode = b"", 0

    def feed(self, data):
        self._bytes += data
        if not self._has_head:
            head, end, rest = self._bytes.partition(b"\r\n\r\n")
            if not end:
                return
            self._has_head, self._bytes = True, rest
            tell(lambda: self._connection.heads.update({self._direction: head}))
        while self._frame():
            pass

    def _frame(self):
        data = self._bytes
        if len(data) < 2:
            return False
        length, at = data[1] & 0x7F, 2
        if length >= 126:
            size, form = (2, "!H") if length == 126 else (8, "!Q")
            if len(data) < at + size:
                return False
            length, at = struct.unpack(form, data[at : at + size])[0], at + size
        mask = b"\0\0\0\0"
        if data[1] & 0x80:
            mask, at = data[at : at + 4], at + 4
        if len(data) < at + length:
            return False
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data[at : at + length]))
        self._bytes = data[at + length :]
        self._part(data[0] & 0x0F, bool(data[0] & 0x80), payload)
        return True

    def _part(self, opcode, is_last, payload):
        if opcode not in (0, TEXT, BINARY):
            return
        self._parts += payload
        self._opcode = opcode or self._opcode
        if is_last:
            message, self._parts = (self._parts, self._opcode), b""
            tell(lambda: self._connection.messages[self._direction].append(message))
