"""The POP3 ports of a server: there only while its services are."""

import socket
import threading
import time


class Pop3:
    """Listens on one port of one server while the server serves, with TLS from the first byte or without."""

    def __init__(self, server, port, tls):
        self.server = server
        self.port = port
        self.tls = tls
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        listener = None
        while True:
            if self.server.serving() and listener is None:
                listener = socket.socket()
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((self.server.address, self.port))
                listener.listen(16)
                listener.settimeout(0.05)
            elif not self.server.serving() and listener is not None:
                listener.close()
                listener = None
            if listener is None:
                time.sleep(0.02)
                continue
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            if not self.server.serving():
                # It stopped since this loop last looked: nobody is there to greet.
                connection.close()
                continue
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        try:
            connection.settimeout(10)
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            connection.sendall(self.server.banner.encode() + b"\r\n")
            for line in connection.makefile("rb"):
                word = line.split()[0].upper() if line.split() else b""
                if word == b"QUIT":
                    connection.sendall(b"+OK Microsoft Exchange Server POP3 server signing off.\r\n")
                    break
                connection.sendall(b"+OK\r\nUSER\r\nSTLS\r\n.\r\n" if word == b"CAPA" else b"-ERR Protocol error.\r\n")
        except OSError:
            pass
        finally:
            connection.close()
