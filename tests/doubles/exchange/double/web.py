"""HTTP as IIS and WinRM speak it: keep-alive, authentication of a connection, sealed bodies, cookies."""

import gzip
import http.client
import io
import socket
import socketserver
import threading
import traceback

from . import endpoints, sealing
from .auth import Authenticator
from .shell import Broken

LARGEST = 8 * 1024 * 1024


class Listener(socketserver.ThreadingTCPServer):
    """One port of one server."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, server, host, tls, record):
        self.exchange = server
        self.host = host
        self.world = host.world
        self.tls = tls
        self.record = record
        super().__init__(address, Connection)

    def handle_error(self, request, client_address):
        """A connection that broke is what many a test wants; the rest shows in the connection itself."""


class Connection(socketserver.BaseRequestHandler):
    """One connection and who it is."""

    def setup(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request.settimeout(300)
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.reader = self.request.makefile("rb", 65536)
        self.auth = Authenticator(self.server.world, self.server.tls is not None, self.server.exchange.address)

    def handle(self):
        server = self.server.exchange
        try:
            if self.reader.peek(1)[:1] == b"\x16":
                # The first byte of TLS, where none is spoken.
                return
            while True:
                line = self.reader.readline(65536)
                if not line or server.down:
                    return
                method, path, _ = line.decode("latin-1").split(" ", 2)
                headers = http.client.parse_headers(self.reader)
                length = int(headers.get("Content-Length", 0))
                if length > LARGEST:
                    return self.answer(413, b"", {})
                body = self.reader.read(length)
                self.one(method, path, headers, body)
                if server.down or headers.get("Connection", "").casefold() == "close":
                    return
        except (Broken, OSError):
            return
        except Exception:
            traceback.print_exc()

    def one(self, method, path, headers, body):
        if not endpoints.is_path(path):
            return self.answer(404, b"", {})
        if method != "POST":
            return self.answer(405, b"", {"Allow": "POST"})
        verdict = self.auth.check(headers)
        if verdict.user is None:
            self.server.world.note("unauthorized", server=self.server.exchange.name)
            return self.answer(401, b"", {}, verdict.challenges)
        challenges = verdict.challenges
        if not body:
            return self.answer(200, b"", {}, challenges)
        sealed = sealing.is_sealed(headers.get("Content-Type", ""))
        if sealed:
            body = sealing.unseal(self.auth.context, body)
        elif self.auth.must_seal():
            return self.answer(500, b"", {})
        cookies = dict(part.strip().split("=", 1) for part in headers.get("Cookie", "").split(";") if "=" in part)
        status, out, cookie = self.server.host.handle(self.server.exchange, path, verdict.user, body, cookies)
        self.server.record.keep(body, out)
        extra = {"Content-Type": "application/soap+xml;charset=UTF-8"}
        if cookie:
            extra["Set-Cookie"] = f"MS-WSMAN={cookie}; path=/PowerShell"
        if sealed:
            spaced = path.casefold().startswith("/powershell")
            extra["Content-Type"], out = sealing.seal(self.auth.context, out, spaced)
        self.answer(status, out, extra, challenges, headers)

    def answer(self, status, body, headers, challenges=(), asked=None):
        world, name = self.server.world, self.server.exchange.name
        other = b"ReceiveResponse" not in body
        if body and not other and world.fault("compress", server=name):
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        head = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}", f"Content-Length: {len(body)}",
                "Server: Microsoft-HTTPAPI/2.0"]
        head += [f"{key}: {value}" for key, value in headers.items()]
        head += [f"WWW-Authenticate: {challenge}" for challenge in challenges]
        out = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body
        if body and not other and world.fault("half", server=name):
            self.request.sendall(out[:len(out) - len(body) // 2])
            raise Broken
        self.request.sendall(out)


class Record:
    """Keeps every request and answer as they were on the wire, when asked to."""

    def __init__(self, directory):
        self.directory = directory
        self.number = 0
        self.lock = threading.Lock()

    def keep(self, request, answer):
        if self.directory is None:
            return
        with self.lock:
            self.number += 1
            for kind, body in (("request", request), ("answer", answer)):
                with io.open(f"{self.directory}/{self.number:03}-{kind}.xml", "wb") as file:
                    file.write(body)


def serve(listener):
    threading.Thread(target=listener.serve_forever, args=(0.1,), daemon=True).start()
