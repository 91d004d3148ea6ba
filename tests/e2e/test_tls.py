"""TLS on both sides of a real gateway, with certificates made for the test."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from tests.support.process import PATIENCE_S, RunningGateway, clean_environment, eventually, running_gateway
from tests.support.upstream import Upstream, running_upstream

ECHO = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}
KEY = "sk-provider-secret-0001"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority of this test run."""
    return trustme.CA()


def write(issued: trustme.LeafCert, folder: Path, name: str) -> None:
    """The certificate and its key as two files."""
    issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
    issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
    (folder / f"{name}.key").chmod(0o600)


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client that trusts the authority and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


def shown(gateway: RunningGateway, context: ssl.SSLContext) -> int:
    """The serial number of the certificate that the gateway shows."""
    host, _, port = gateway.address.removeprefix("https://").rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as tls,
    ):
        found = tls.getpeercert()
        assert found is not None
        return int(str(found["serialNumber"]), 16)


class TlsGateway(RunningGateway):
    """A gateway whose certificate the test trusts."""

    context: ssl.SSLContext

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.address}/health/ready", verify=self.context).status_code == 200
        except httpx.TransportError:
            return False


CONFIG = '[server]\nhost = "localhost"\ntls_cert = "own.pem"\ntls_key = "own.key"\n'


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
def test_the_listener_speaks_tls_and_reads_a_new_certificate_on_sighup(
    tmp_path: Path, authority: trustme.CA, form: str
):
    """The greeting and `top` say https with the name that the certificate is for; a bad renewal is refused."""
    TlsGateway.context = trusting(authority)
    first = authority.issue_cert("localhost")
    write(first, tmp_path, "own")
    key = serialization.load_pem_private_key(first.private_key_pem.bytes(), None)
    wanted = getattr(serialization.PrivateFormat, form)
    (tmp_path / "own.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, wanted, serialization.NoEncryption())
    )
    with running_gateway(tmp_path, CONFIG, kind=TlsGateway) as gateway:
        port = gateway.address.rpartition(":")[2]
        assert gateway.address == f"https://localhost:{port}"
        assert f"gateway on https://localhost:{port}\n" in gateway.log.read_text()
        assert gateway.top()["instance"]["address"] == gateway.address
        answer = httpx.post(f"{gateway.base_url}/chat/completions", json=ECHO, verify=TlsGateway.context)
        assert "one two three" in answer.text
        before = shown(gateway, TlsGateway.context)
        (tmp_path / "own.pem").write_text("broken\n")
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: "configuration refused" in gateway.log.read_text(), "the refusal")
        assert shown(gateway, TlsGateway.context) == before
        write(authority.issue_cert("localhost"), tmp_path, "own")
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: shown(gateway, TlsGateway.context) != before, "the new certificate")


def test_a_bad_certificate_is_one_line_before_anything_starts(tmp_path: Path, authority: trustme.CA):
    """Status 2, as for everything that is wrong in the configuration."""
    write(authority.issue_cert("localhost"), tmp_path, "own")
    (tmp_path / "own.key").write_text("broken\n")
    (tmp_path / "gateway.toml").write_text(CONFIG)
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "-p", "0"],
        env=clean_environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "server.tls_cert and server.tls_key" in ended.stderr


@pytest.fixture
def demanding(authority: trustme.CA) -> Iterator[Upstream]:
    """A provider that shows a certificate for localhost and asks for one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    with running_upstream(lambda: Upstream(tls=context)) as upstream:
        yield upstream


@pytest.mark.parametrize("transport", ["lean", "httpcore"])
def test_a_provider_with_its_own_authority_that_asks_for_a_certificate(
    tmp_path: Path, authority: trustme.CA, demanding: Upstream, transport: str
):
    """Both transports trust the configured authority only and show the configured certificate; without, no key goes."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    write(authority.issue_cert("client.example"), tmp_path, "client")
    trust, card = 'ca_file = "ca.pem"\n', 'client_cert = "client.pem"\nclient_key = "client.key"\n'
    config = "[retry]\nattempts = 1\n"
    ways = {"right": trust + card, "no-card": trust, "no-trust": card, "other": 'ca_file = "other.pem"\n' + card}
    for name, files in ways.items():
        config += (
            f'[[providers]]\nname = "{name}"\nkind = "openai"\nbase_url = "https://localhost:{demanding.port}/v1"\n'
            f'api_key = "{KEY}"\ntransport = "{transport}"\n{files}'
            f'[[models]]\nname = "{name}"\ntargets = [{{ provider = "{name}" }}]\n'
        )
    statuses = {}
    with running_gateway(tmp_path, config) as gateway:
        for name in ways:
            body = json.dumps({"model": name, "messages": []})
            answer = httpx.post(f"{gateway.base_url}/chat/completions", content=body, timeout=PATIENCE_S)
            statuses[name] = answer.status_code
        log = gateway.log.read_text()
    assert statuses == {"right": 200, "no-card": 502, "no-trust": 502, "other": 502}
    assert [body["model"] for body in demanding.bodies] == ["right"]
    assert KEY not in log


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_of_the_environment_never_sees_a_key(tmp_path: Path, scheme: str):
    """An http provider is not sent through it; an https one asks it for a tunnel, which hides everything else."""
    with running_upstream() as upstream, socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        proxy.settimeout(PATIENCE_S)
        proxy_url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        config = (
            f'[retry]\nattempts = 1\n[timeouts]\nconnect = 2\n[[providers]]\nname = "up"\nkind = "openai"\n'
            f'base_url = "{scheme}://127.0.0.1:{upstream.port}/v1"\napi_key = "{KEY}"\ntransport = "httpcore"\n'
            '[[models]]\nname = "*"\ntargets = [{ provider = "up" }]\n'
        )
        variables = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"), proxy_url)
        command = [sys.executable, "-m", "gateway", "serve", "-c", str(tmp_path / "test.toml"), "-p", "0"]
        wrapped = ["env", *(f"{name}={value}" for name, value in variables.items()), *command, "--log-format", "json"]
        with running_gateway(tmp_path, config, command=wrapped) as gateway:
            body = json.dumps({"model": "m", "messages": []})
            url = f"{gateway.base_url}/chat/completions"
            if scheme == "http":
                answer = httpx.post(url, content=body, timeout=PATIENCE_S, trust_env=False)
                assert answer.status_code == 200
                proxy.setblocking(False)
                with pytest.raises(BlockingIOError):
                    proxy.accept()
                return
            asking = subprocess.Popen(
                [sys.executable, "-c", f"import httpx; httpx.post({url!r}, content={body!r}, trust_env=False)"],
                env={"PATH": os.environ["PATH"]},
                stderr=subprocess.DEVNULL,
            )
            tunnel, _ = proxy.accept()
            with tunnel:
                head = tunnel.recv(65_536)
            asking.wait(PATIENCE_S)
    assert head.startswith(b"CONNECT 127.0.0.1:")
    assert KEY.encode() not in head
