"""A proxy that lets nobody through: what asks it for anything wanted to leave the machine."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Witness:
    """Remembers the first line of every request."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.asked: list[str] = []


@contextmanager
def witness() -> Iterator[Witness]:
    """A proxy for as long as the context is open."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            watching.asked.append(self.rfile.readline(4096).decode("latin-1").strip())
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        watching = Witness(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield watching
        finally:
            server.shutdown()
            thread.join()
