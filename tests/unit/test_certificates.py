"""TLS files in the configuration: what is wrong with them is one sentence, before anything is started."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from gateway.config import Settings, describe_settings, load
from gateway.errors import ConfigError

Load = Callable[[str], Settings]
PROVIDER = '[[providers]]\nname = "up"\nkind = "openai"\nbase_url = "https://host/v1"\n'


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Load a configuration beside a certificate, the keys of two, an authority, and files that are none of these."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("own", "other"):
        issued = authority.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
        issued.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
        (tmp_path / f"{name}.key").chmod(0o600)
    key = serialization.load_pem_private_key((tmp_path / "own.key").read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"passphrase")
    (tmp_path / "encrypted.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    (tmp_path / "text").write_text("no certificate\n")

    def run(text: str) -> Settings:
        (tmp_path / "gateway.toml").write_text(text)
        return load(path=None, environ={}, overrides={}, cwd=tmp_path)

    return run


def test_a_certificate_and_its_key_are_taken_with_absolute_paths(load_text: Load, tmp_path: Path) -> None:
    """Relative to the file that names them; `gateway check` shows where they are."""
    settings = load_text('[server]\ntls_cert = "own.pem"\ntls_key = "own.key"\n')
    assert (settings.server.tls_cert, settings.server.tls_key) == (str(tmp_path / "own.pem"), str(tmp_path / "own.key"))
    assert settings.warnings == ()
    assert f"certificate {tmp_path / 'own.pem'}" in describe_settings(settings)
    (tmp_path / "own.key").chmod(0o644)
    [warning] = load_text('[server]\ntls_cert = "own.pem"\ntls_key = "own.key"\n').warnings
    assert "chmod 600" in warning


@pytest.mark.parametrize(
    ("cert", "key", "problem"),
    [
        ("missing", "own.key", "missing cannot be read (No such file or directory)"),
        ("own.pem", "missing", "missing cannot be read (No such file or directory)"),
        ("own.pem", "other.key", "is not that of the certificate"),
        ("text", "own.key", "text holds no certificate in PEM format"),
        ("own.pem", "text", "are no certificate and its key in PEM format"),
        ("own.key", "own.key", "own.key holds no certificate in PEM format"),
        ("own.pem", "encrypted.key", "the key is encrypted; give one without a passphrase"),
    ],
)
def test_a_certificate_that_cannot_serve_is_one_sentence(load_text: Load, cert: str, key: str, problem: str) -> None:
    """For the listener and for a provider's client certificate alike; nobody is asked for a passphrase."""
    for text, field in (
        (f'[server]\ntls_cert = "{cert}"\ntls_key = "{key}"\n', "server.tls_cert"),
        (f'{PROVIDER}client_cert = "{cert}"\nclient_key = "{key}"\n', "providers[0]: client_cert"),
    ):
        with pytest.raises(ConfigError) as refused:
            load_text(text)
        assert problem in str(refused.value)
        assert field in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[server]\ntls_cert = "own.pem"\n', "server.tls_cert needs server.tls_key beside it"),
        ('[server]\ntls_key = "own.key"\n', "server.tls_key needs server.tls_cert beside it"),
        (f'{PROVIDER}client_cert = "own.pem"\n', "has one of client_cert and client_key; give both"),
        (f'{PROVIDER}ca_file = "text"\n', "ca_file: "),
        (f'{PROVIDER}ca_file = "missing"\n', "missing cannot be read"),
        (PROVIDER.replace("https", "http") + 'ca_file = "ca.pem"\n', "ca_file: means something for an https base_url"),
        ('[[providers]]\nname = "e"\nkind = "echo"\nca_file = "ca.pem"\n', "ca_file: means nothing to a provider"),
    ],
)
def test_half_a_setting_is_refused(load_text: Load, text: str, problem: str) -> None:
    """What would silently do nothing, or not what was meant."""
    with pytest.raises(ConfigError) as refused:
        load_text(text)
    assert problem in str(refused.value)


def test_a_providers_files_are_shown(load_text: Load, tmp_path: Path) -> None:
    """By `gateway check`, so that nobody wonders which authorities count."""
    settings = load_text(f'{PROVIDER}ca_file = "ca.pem"\nclient_cert = "own.pem"\nclient_key = "own.key"\n')
    assert f"trusts only {tmp_path / 'ca.pem'}, shows {tmp_path / 'own.pem'}" in describe_settings(settings)
