"""Processes: crashes, signals, ports, and the run directory they share."""

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from tests.support.process import (
    PATIENCE_S,
    RunningGateway,
    clean_environment,
    eventually,
    running_gateway,
    runs,
)
from tests.support.upstream import running_upstream, unused_port

ECHO = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}).encode()


def ask(gateway: RunningGateway, body: bytes = ECHO) -> bytes:
    """Send one chat completion on a connection of its own and return the body of the answer."""
    request = urllib.request.Request(f"{gateway.base_url}/chat/completions", body)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return bytes(answer.read())


def provider(url: str) -> str:
    """A configuration that sends every model but echo to `url`."""
    return (
        f'[[providers]]\nname = "up"\nkind = "openai"\nbase_url = "{url}"\n'
        '[[models]]\nname = "*"\ntargets = [{ provider = "up" }]\n'
    )


def test_a_worker_that_is_killed_under_load_is_replaced_and_its_counts_stay(tmp_path: Path):
    """kill -9: the load goes on after a moment, nothing that was counted is lost, and active goes back to 0."""
    with running_gateway(tmp_path, "", "-w", "2") as gateway:
        stop, answered, failed = threading.Event(), [0], [0]

        def load() -> None:
            while not stop.is_set():
                try:
                    ask(gateway)
                    answered[0] += 1
                except OSError:
                    failed[0] += 1

        thread = threading.Thread(target=load)
        thread.start()
        eventually(lambda: answered[0] >= 30, "some load")
        before = gateway.top()
        victim = before["workers"][0]["pid"]
        os.kill(victim, signal.SIGKILL)
        replaced = eventually(
            lambda: (snapshot := gateway.top())["workers"][0]["pid"] != victim and snapshot, "the replacement"
        )
        eventually(lambda count=answered[0]: answered[0] >= count + 30, "more load")
        stop.set()
        thread.join()
        after = gateway.settled()
    assert replaced["workers"][0]["alive"]
    assert replaced["lifetime"]["finished"] >= before["lifetime"]["finished"]
    # The client may have its answer a moment before the worker counts it, and the kill may fall into that moment.
    assert after["lifetime"]["outcomes"]["ok"] >= answered[0] - 1
    assert after["lifetime"]["started"] <= answered[0] + failed[0]
    assert len(after["workers"]) == 2


def test_sigterm_while_it_starts_leaves_nothing_behind(tmp_path: Path):
    """Told to end as soon as the run directory is there, it removes that and ends with 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "-p", "0"],
        env=clean_environment(tmp_path),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: list(tmp_path.glob("gateway/*")), "the run directory")
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, said
    assert list(tmp_path.glob("gateway/*")) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_until_the_end_leaves_nothing_behind(tmp_path: Path, number: signal.Signals):
    """Also one that finds the server stopped and its run directory half removed: no traceback, and all of it goes."""
    with running_gateway(tmp_path) as gateway:

        def is_gone() -> bool:
            gateway.process.send_signal(number)
            return not gateway.run_dir.exists()

        eventually(is_gone, "the end of the run directory")
        # A signal after that finds nothing to be done.
        assert gateway.process.wait(PATIENCE_S) in (0, -number)
        assert "Traceback" not in gateway.log.read_text()


def test_sigterm_lets_a_running_stream_finish(tmp_path: Path):
    """A stream that ends within the grace time ends well, and the exit code is 0."""
    with running_upstream() as upstream, running_gateway(tmp_path, provider(upstream.url)) as gateway:
        answers: list[bytes] = []
        body = json.dumps({"model": "slow", "messages": [], "stream": True}).encode()
        thread = threading.Thread(target=lambda: answers.append(ask(gateway, body)))
        thread.start()
        assert upstream.streaming.wait(PATIENCE_S)
        gateway.process.terminate()
        eventually(lambda: b"Shutting down" in gateway.log.read_bytes(), "the shutdown")
        upstream.finish.set()
        thread.join(PATIENCE_S)
        assert gateway.process.wait(PATIENCE_S) == 0
    assert answers[0].endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT, signal.SIGTERM]])
def test_a_stream_that_outlives_the_grace_time_ends_with_an_in_band_error(
    tmp_path: Path, signals: list[signal.Signals]
):
    """The client is told, repeated signals hang nothing, the exit code is 0 and the run directory is gone."""
    config = "[server]\ngrace_s = 0.3\n"
    with running_upstream() as upstream, running_gateway(tmp_path, config + provider(upstream.url)) as gateway:
        answers: list[bytes] = []
        body = json.dumps({"model": "endless", "messages": [], "stream": True}).encode()
        thread = threading.Thread(target=lambda: answers.append(ask(gateway, body)))
        thread.start()
        assert upstream.streaming.wait(PATIENCE_S)
        worker = gateway.top()["workers"][0]["pid"]
        for number in signals:
            # A terminal sends Ctrl-C to the whole group; here the worker is first.
            if number is signal.SIGINT:
                os.kill(worker, number)
            gateway.process.send_signal(number)
        thread.join(PATIENCE_S)
        assert gateway.process.wait(PATIENCE_S) == 0
        assert not gateway.run_dir.exists()
        lines = gateway.request_lines()
    assert b'"error"' in answers[0]
    assert b"shutting down" in answers[0]
    assert [line["outcome"] for line in lines] == ["internal"]


def test_a_port_in_use_is_one_clear_line(tmp_path: Path):
    """Another program, or ourselves: exit 1 before anything is started."""
    environment = clean_environment(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = serve_on(port, environment)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert f"Port {port} on 127.0.0.1 is in use by another program" in ended.stderr
    with running_gateway(tmp_path) as gateway:
        ended = serve_on(int(gateway.address.rpartition(":")[2]), environment)
    assert ended.returncode == 1
    assert f"in use by the gateway with pid {gateway.process.pid}" in ended.stderr


def serve_on(port: int, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run `gateway serve` on a port until it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "-p", str(port)],
        env=environment,
        cwd=environment["XDG_RUNTIME_DIR"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path):
    """kill -9 of the supervisor leaves no orphan behind that keeps serving; the next start sweeps its directory."""
    with running_gateway(tmp_path) as gateway:
        worker = gateway.top()["workers"][0]["pid"]
        gateway.process.kill()
        gateway.process.wait()
        eventually(lambda: not runs(worker), "the end of the worker")
        stale = gateway.run_dir
        assert stale.exists()
        gateway.log.unlink()
        (stale / "instance.json").unlink()
    with running_gateway(tmp_path):
        assert not stale.exists()


@pytest.mark.parametrize("target", [["--factory", "gateway.asgi:make_app"], ["gateway.asgi:app"]])
def test_plain_granian_serves_counts_and_cleans_up(tmp_path: Path, target: list[str]):
    """A production run without our supervisor: two workers share a run directory, one of them samples."""
    granian = Path(sys.executable).parent / "granian"
    command = [str(granian), "--interface", "asgi", "--workers", "2", "--port", str(unused_port()), *target]
    with running_gateway(tmp_path, command=command) as gateway:
        for _ in range(10):
            ask(gateway)
        snapshot = eventually(
            lambda: (found := gateway.top())["lifetime"]["finished"] == 10 and found["window"]["coverage_s"] and found,
            "the sampler's first step",
        )
        assert snapshot["lifetime"]["outcomes"]["ok"] == 10
        assert snapshot["lifetime"]["tokens"] == {"input": 30, "output": 30}
        assert sum(worker["alive"] for worker in snapshot["workers"]) == 2
        gateway.process.terminate()
        assert gateway.process.wait(PATIENCE_S) == 0
        assert not gateway.run_dir.exists()


def test_a_host_name_is_listened_on(tmp_path: Path):
    """`localhost` is what people write; the address that is shown is the one that works."""
    with running_gateway(tmp_path, '[server]\nhost = "localhost"\n') as gateway:
        assert gateway.address.startswith("http://127.0.0.1:")
        assert b"one two three" in ask(gateway)


def test_a_host_that_does_not_exist_is_one_clear_line(tmp_path: Path):
    """Exit 1, and the name is repeated."""
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "-H", "no-such-host.invalid", "--no-auth"],
        env=clean_environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "no-such-host.invalid" in ended.stderr


def test_a_disk_without_room_is_one_clear_line(tmp_path: Path):
    """Wherever the run directory could be there is no room for it: status 1, no traceback."""
    command = f"ulimit -f 1024; exec {shlex.quote(sys.executable)} -m gateway serve -p 0"
    ended = subprocess.run(
        ["sh", "-c", command],
        env=clean_environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("gateway: error: No run directory can be made:")
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.glob("gateway/*")) == []


def test_streams_that_are_closed_lead_nowhere_in_the_workers_too(tmp_path: Path):
    """Or log lines would go to whatever file got the number of stdout there."""
    command = f"exec {shlex.quote(sys.executable)} -m gateway serve -p 0 <&- >&- 2>&-"
    process = subprocess.Popen(["sh", "-c", command], env=clean_environment(tmp_path), cwd=tmp_path)
    try:
        gateway = RunningGateway(process, tmp_path, tmp_path / "none")
        assert b"one two three" in ask(gateway)
        [worker] = [found["pid"] for found in gateway.top()["workers"]]
        streams = {os.readlink(f"/proc/{pid}/fd/{fd}") for pid in (process.pid, worker) for fd in range(3)}
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
    assert streams == {os.devnull}


@pytest.mark.parametrize("stdout", ["closed", "full", "never read"])
def test_a_log_that_cannot_be_written_holds_up_nothing(tmp_path: Path, stdout: str):
    """Requests are answered, and the stop is not held up either; what a full disk did not take is counted."""
    reading, writing = os.pipe()
    full = os.open("/dev/full", os.O_WRONLY)
    # Full to the brim: it takes no line at all.
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, bytes(4096)):
            pass
    os.set_blocking(writing, True)
    serve = [sys.executable, "-m", "gateway", "serve", "-p", "0", "--log-format", "json"]
    closing = ["sh", "-c", f"exec {shlex.join(serve)} >&-"]
    log = tmp_path / "gateway.err"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            closing if stdout == "closed" else serve,
            env=clean_environment(tmp_path),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout={"closed": None, "full": full, "never read": writing}[stdout],
            stderr=errors,
        )
    try:
        gateway = RunningGateway(process, tmp_path, log)
        for _ in range(20):
            assert b"one two three" in ask(gateway)
        snapshot = gateway.settled()
        if stdout == "full":
            eventually(lambda: gateway.top()["log"]["dropped"] >= 20, "the count of the lines that were dropped")
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
        for fd in (reading, writing, full):
            os.close(fd)
    assert snapshot["lifetime"]["outcomes"]["ok"] == 20
    assert "Traceback" not in log.read_text()
