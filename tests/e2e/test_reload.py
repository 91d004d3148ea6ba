"""Workers that come and go: reloads under load, kill -9 under load, crash loops."""

import http.client
import json
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.support.process import PATIENCE_S, RunningGateway, eventually, running_gateway, runs
from tests.support.upstream import Upstream, running_upstream

ECHO = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}


def provider(url: str) -> str:
    """A configuration that sends every model but echo to `url`."""
    return (
        f'[[providers]]\nname = "up"\nkind = "openai"\nbase_url = "{url}"\n'
        '[[models]]\nname = "*"\ntargets = [{ provider = "up" }]\n'
    )


def workers(gateway: RunningGateway) -> set[int]:
    """The pids of the workers that live."""
    return {worker["pid"] for worker in gateway.top()["workers"] if worker["alive"]}


def said(gateway: RunningGateway, event: str) -> int:
    """How often the log says that."""
    return gateway.log.read_text().count(f'"event":"{event}"')


class Client:
    """A connection that streams an answer; `rest()` is what came behind the first event."""

    def __init__(self, gateway: RunningGateway, model: str) -> None:
        self._port = int(gateway.address.rpartition(":")[2])
        body = json.dumps({"model": model, "messages": [], "stream": True}).encode()
        self.socket = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_S)
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.socket.sendall(head + body)
        self.first = self.socket.recv(65_536)
        self.own_port = self.socket.getsockname()[1]

    def rest(self) -> bytes:
        """Everything up to the last chunk, or to whatever ends the connection before."""
        got = b""
        try:
            while not got.endswith(b"0\r\n\r\n") and (piece := self.socket.recv(65_536)):
                got += piece
        except ConnectionError:
            pass
        self.socket.close()
        return got


class Load:
    """Clients that ask one request after another, on a connection each, or on a new one for each request."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._host, _, port = gateway.address.removeprefix("http://").rpartition(":")
        self._port = int(port)
        self._stop = threading.Event()
        self.answered = 0
        self.failures: list[str] = []

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Four clients for as long as the context is open."""
        threads = [threading.Thread(target=self._run, args=(keep,)) for keep in (True, True, False, False)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _run(self, keep: bool) -> None:
        connection = self._connection()
        while not self._stop.is_set():
            # Every pool looks whether the server has closed a connection while it was idle.
            if connection.sock is not None and select.select([connection.sock], [], [], 0)[0]:
                connection.close()
            try:
                connection.request("POST", "/v1/chat/completions", json.dumps(ECHO))
                answer = connection.getresponse()
                content = answer.read()
                if answer.status == 200 and b"one two three" in content:
                    self.answered += 1
                else:
                    self.failures.append(f"{answer.status} {content!r}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            if not keep:
                connection.close()
            # As clients that do something with the answer; a connection is idle for a moment after each.
            time.sleep(0.001)
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_S)


def test_reloads_under_load_lose_no_request(tmp_path: Path):
    """Three SIGHUPs replace both workers each; a stream that began before them ends well on its old worker."""
    with running_upstream() as upstream, running_gateway(tmp_path, provider(upstream.url), "-w", "2") as gateway:
        stream = Client(gateway, "slow")
        with Load(gateway).running() as load:
            for count in range(1, 4):
                before = workers(gateway)
                gateway.process.send_signal(signal.SIGHUP)
                eventually(lambda count=count: said(gateway, "reloaded") == count, "the reload")
                assert len(workers(gateway) - before) == 2
            # The other old workers are gone; one still has the stream.
            eventually(lambda: len(workers(gateway)) == 3, "the end of the old workers")
            upstream.finish.set()
            rest = stream.rest()
            eventually(lambda: len(workers(gateway)) == 2, "the end of the last old worker")
        snapshot = gateway.settled()
    assert load.failures == []
    assert load.answered > 100
    assert b"data: [DONE]\n\n" in rest
    assert snapshot["lifetime"]["outcomes"]["ok"] == load.answered + 1
    assert snapshot["lifetime"]["started"] == snapshot["lifetime"]["finished"]


def test_reloads_that_overtake_each_other_lose_no_request(tmp_path: Path):
    """A worker that has begun to work, and whose supervisor has not heard of it yet, finishes what it took."""
    with running_gateway(tmp_path) as gateway, Load(gateway).running() as load:
        for reloads in range(8):
            eventually(
                lambda before=reloads: gateway.log.read_text().count("Started worker-1") > before,
                "the start of a worker",
            )
            gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(workers(gateway)) == 1, "the end of all other workers")
    assert load.failures == []
    assert load.answered > 0


def test_a_bad_file_is_refused_and_the_old_one_serves_on(tmp_path: Path):
    """The log says which field is wrong, the workers stay, and the next good file is taken."""
    file = tmp_path / "test.toml"
    with running_gateway(tmp_path, "[retry]\nattempts = 2\n") as gateway:
        before = workers(gateway)
        file.write_text("[retry]\nattempts = 0\n")
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: said(gateway, "configuration refused, the old one stays"), "the refusal")
        assert "retry.attempts must be" in gateway.log.read_text()
        assert workers(gateway) == before
        file.write_text('[[keys]]\nname = "new"\nkey = "a-key-for-clients"\n')
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: not workers(gateway) & before, "the end of the old worker")
        connection = http.client.HTTPConnection(gateway.address.removeprefix("http://"), timeout=PATIENCE_S)
        connection.request("POST", "/v1/chat/completions", json.dumps(ECHO))
        assert connection.getresponse().status == 401


def test_a_file_that_takes_the_keys_away_is_refused_while_others_can_reach_us(tmp_path: Path):
    """It names another host as well, but what is listened on is the old one."""
    file = tmp_path / "test.toml"
    keys = '[server]\nhost = "0.0.0.0"\n[[keys]]\nname = "a"\nkey = "a-key-for-clients"\n'
    with running_gateway(tmp_path, keys) as gateway:
        file.write_text('[server]\nhost = "127.0.0.1"\n')
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: said(gateway, "configuration refused, the old one stays"), "the refusal")
        assert "is open to others and there are no client keys" in gateway.log.read_text()


def test_a_terminal_that_hangs_up_costs_no_worker(tmp_path: Path):
    """SIGHUP reaches the whole group: the supervisor reloads, and its workers do not fall over."""
    with running_gateway(tmp_path) as gateway:
        [worker] = workers(gateway)
        os.kill(worker, signal.SIGHUP)
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: said(gateway, "reloaded"), "the reload")
        assert said(gateway, "worker ended, it is replaced") == 0


def test_sigterm_in_the_middle_of_a_reload_ends_all_workers(tmp_path: Path):
    """Those that retire, that start and that serve; a stream gets its grace time, and the status is 0."""
    config = "[server]\ngrace_s = 0.5\n"
    with running_upstream() as upstream, running_gateway(tmp_path, config + provider(upstream.url)) as gateway:
        stream = Client(gateway, "endless")
        supervisor = psutil.Process(gateway.process.pid)
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: said(gateway, "reloading"), "the reload")
        children = [child.pid for child in supervisor.children(recursive=True)]
        gateway.process.terminate()
        rest = stream.rest()
        assert gateway.process.wait(PATIENCE_S) == 0
        # What Python has started to clean up after us ends a moment later.
        eventually(lambda: not any(map(runs, children)), "the end of every process")
    assert b"shutting down" in rest


class Idle(Upstream):
    """A provider that begins a stream and never goes on."""

    async def answer(self, path: str, model: str, stream: bool, reader: Any, writer: Any) -> None:
        """One event, then nothing until the gateway leaves."""
        word = b'data: {"choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
        head = b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + b"%x\r\n%s\r\n" % (len(word), word))
        await reader.read(1)
        raise ConnectionResetError


def test_an_idle_stream_gets_an_error_at_the_end_of_the_grace_time(tmp_path: Path):
    """A provider that has long said nothing is no reason to leave its client without a word."""
    config = "[server]\ngrace_s = 0.3\n"
    with running_upstream(Idle) as upstream, running_gateway(tmp_path, config + provider(upstream.url)) as gateway:
        stream = Client(gateway, "idle")
        gateway.process.terminate()
        rest = stream.rest()
        assert gateway.process.wait(PATIENCE_S) == 0
    assert b"shutting down" in rest


def test_a_killed_worker_fails_only_what_was_in_flight_on_it(tmp_path: Path):
    """Of a dozen streams over two workers exactly those of the victim break off; what comes meanwhile succeeds."""
    with running_upstream() as upstream, running_gateway(tmp_path, provider(upstream.url), "-w", "2") as gateway:
        eventually(lambda: len(workers(gateway)) == 2, "two workers")
        streams = [Client(gateway, "slow")]

        def on_both() -> bool:
            """Whoever accepts is chance, so streams are opened until both workers have some."""
            streams.append(Client(gateway, "slow"))
            served = [ports_of(pid) for pid in workers(gateway)]
            return len(streams) >= 12 and all(served)

        eventually(on_both, "streams on both workers")
        victim = workers(gateway).pop()
        lost = ports_of(victim) & {stream.own_port for stream in streams}
        with Load(gateway).running() as load:
            eventually(lambda: load.answered >= 20, "some load")
            os.kill(victim, signal.SIGKILL)
            count = load.answered
            eventually(lambda: load.answered >= count + 50, "more load")
            eventually(lambda: victim not in workers(gateway) and len(workers(gateway)) == 2, "the successor")
        upstream.finish.set()
        broken = {stream.own_port for stream in streams if b"data: [DONE]\n\n" not in stream.rest()}
        snapshot = gateway.settled()
        lines = gateway.log.read_text()
    assert broken == lost
    # Each client of the load had one request in flight, about half of them with the victim.
    assert len(load.failures) <= 4
    lifetime = snapshot["lifetime"]
    # One that the client has whole may not have been counted yet when the worker was killed.
    assert len(lost) <= lifetime["started"] - lifetime["finished"] <= len(lost) + 4
    assert lifetime["outcomes"]["ok"] == lifetime["finished"]
    assert lifetime["finished"] >= load.answered + len(streams) - len(lost) - 4
    assert '"signal":"Killed"' in lines


def ports_of(pid: int) -> set[int]:
    """The ports of the clients whose connections a worker has."""
    return {connection.raddr.port for connection in psutil.Process(pid).net_connections("tcp") if connection.raddr}


def test_a_worker_that_is_killed_again_and_again_is_replaced_as_long_as_it_works(tmp_path: Path):
    """Two ends within seconds are bad luck, not a crash loop."""
    with running_gateway(tmp_path) as gateway:
        for count in range(1, 3):
            [worker] = eventually(lambda: workers(gateway), "a worker")
            os.kill(worker, signal.SIGKILL)
            eventually(lambda count=count: said(gateway, "worker ended, it is replaced") == count, "the replacement")
            eventually(lambda worker=worker: workers(gateway) - {worker}, "the successor")
        with Load(gateway).running() as load:
            eventually(lambda: load.answered >= 5, "an answer")
    assert load.failures == []


def test_workers_that_cannot_start_are_a_crash_loop(tmp_path: Path):
    """After a few tries the server gives up with one clear line, status 1, and nothing left behind."""
    with running_gateway(tmp_path) as gateway:
        [worker] = workers(gateway)
        # What every start needs cannot be had any more.
        (gateway.run_dir / "slots.lock").unlink()
        (gateway.run_dir / "slots.lock").mkdir()
        os.kill(worker, signal.SIGKILL)
        assert gateway.process.wait(PATIENCE_S) == 1
        lines = gateway.log.read_text().splitlines()
    assert lines[-1] == ("gateway: error: The workers kept failing, so the server gave up; the log above says more.")
    assert not gateway.run_dir.exists()


def test_a_reload_whose_worker_cannot_start_leaves_the_old_one(tmp_path: Path):
    """Whatever the reason, a worker that serves is not given up for one that does not; nor its settings, later on."""
    file = tmp_path / "test.toml"
    with running_gateway(tmp_path) as gateway:
        before = workers(gateway)
        locks = gateway.run_dir / "slots.lock"
        locks.rename(gateway.run_dir / "moved")
        locks.mkdir()
        file.write_text('[[keys]]\nname = "new"\nkey = "a-key-for-clients"\n')
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: said(gateway, "reload given up, the old workers stay"), "the end of the reload")
        assert workers(gateway) == before
        locks.rmdir()
        (gateway.run_dir / "moved").rename(locks)
        os.kill(before.pop(), signal.SIGKILL)
        eventually(lambda: said(gateway, "worker ended, it is replaced"), "the replacement")
        with Load(gateway).running() as load:
            eventually(lambda: load.answered >= 5, "an answer")
    assert load.failures == []
