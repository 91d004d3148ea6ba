"""What the supervisor listens on."""

import socket
import sys
import threading
from pathlib import Path

import pytest

from gateway.errors import ServeError
from gateway.serving.supervisor import address_at, listen_at


def nowhere(folder: Path) -> dict[str, str]:
    """An environment in which no gateway runs."""
    return {"XDG_RUNTIME_DIR": str(folder)}


def test_the_sockets_share_a_port_that_nobody_else_gets(tmp_path: Path) -> None:
    """Connections reach all of them, and a second gateway fails although it would share as well."""
    sockets = listen_at("127.0.0.1", 0, 3, nowhere(tmp_path))
    try:
        [address] = {address_at(listener) for listener in sockets}
        with pytest.raises(ServeError, match=f"Port {address[1]} on 127.0.0.1 is in use by another program"):
            listen_at(*address, 3, nowhere(tmp_path))
        for listener in sockets:
            listener.setblocking(False)
        clients = [socket.create_connection(address, 10) for _ in range(60)]
        for client in clients:
            client.sendall(b"P")
        waiting = [_accept_all(listener) for listener in sockets]
        assert sum(waiting) == 60
        assert all(waiting)
        for client in clients:
            client.close()
    finally:
        for listener in sockets:
            listener.close()


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_DEFER_ACCEPT")
def test_a_connection_is_accepted_with_the_first_byte_of_its_request(tmp_path: Path) -> None:
    """So that whoever accepts it has begun to read the request when it is told to drain."""
    [listener] = listen_at("127.0.0.1", 0, 1, nowhere(tmp_path))
    with listener, socket.create_connection(address_at(listener), 10) as client:
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()
        client.sendall(b"P")
        listener.settimeout(10)
        listener.accept()[0].close()


def _accept_all(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_of_two_that_begin_together_one_gets_the_port(tmp_path: Path) -> None:
    """There is no moment at which both could take it."""
    for _ in range(20):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        got: list[socket.socket] = []
        refused: list[ServeError] = []

        def take(port: int, got: list[socket.socket], refused: list[ServeError]) -> None:
            try:
                got.extend(listen_at("127.0.0.1", port, 2, nowhere(tmp_path)))
            except ServeError as error:
                refused.append(error)

        threads = [threading.Thread(target=take, args=(port, got, refused)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for listener in got:
            listener.close()
        assert (len(got), len(refused)) == (2, 1)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "\udc80"])
def test_a_host_that_cannot_be_listened_on_is_one_sentence(tmp_path: Path, host: str) -> None:
    """Whatever is wrong with its name."""
    with pytest.raises(ServeError, match="is not known"):
        listen_at(host, 0, 1, nowhere(tmp_path))
