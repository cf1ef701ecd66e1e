"""The endpoint of functions that are invoked over HTTP: it lets in who proves to know the credential."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API_KEY_HEADER = "X-API-Key"
VARIABLES = {"bearer": "CLIENTS_TOKEN", "hmac": "CLIENTS_SECRET", "api_key": "CLIENTS_API_KEY"}
AUTH = {
    "bearer": {"type": "bearer", "token_key": VARIABLES["bearer"]},
    "hmac": {"type": "hmac", "secret_key": VARIABLES["hmac"]},
    "api_key": {"type": "api_key", "header": API_KEY_HEADER, "value_key": VARIABLES["api_key"]},
}


class Endpoint:
    """Serves a path for each kind of authentication, under credentials of its own making."""

    def __init__(self):
        self.credentials = {kind: secrets.token_hex(16) for kind in VARIABLES}
        self.environment = {VARIABLES[kind]: value for kind, value in self.credentials.items()}
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                endpoint._serve(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _serve(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        kind = request.path.strip("/")
        problem = self._problem(kind, request.headers, body)
        answer = {"error": {"code": "unauthorized", "message": problem}} if problem else {
            "verified": kind, "got": json.loads(body), "function": request.headers["x-iii-Function-Path"],
        }  # fmt: skip
        data = json.dumps(answer).encode()
        request.send_response(401 if problem else 200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def _problem(self, kind, headers, body):
        sent_at = headers["x-iii-Timestamp"] or ""
        if not sent_at.isdigit() or abs(time.time() - int(sent_at)) > 300:
            return f"x-iii-Timestamp is {sent_at!r}"
        if kind == "bearer":
            name, wanted = "Authorization", f"Bearer {self.credentials[kind]}"
        elif kind == "hmac":
            signed = f"{sent_at}:{base64.b64encode(body).decode()}".encode()
            digest = hmac.new(self.credentials[kind].encode(), signed, hashlib.sha256).hexdigest()
            name, wanted = "x-iii-Signature", f"sha256={digest}"
        elif kind == "api_key":
            name, wanted = API_KEY_HEADER, self.credentials[kind]
        else:
            return f"no function is served at {kind!r}"
        return None if headers[name] == wanted else f"{name} does not prove the credential"
