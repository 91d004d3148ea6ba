"""Certificates and keys in PEM files: loaded into TLS contexts, with one sentence for whatever is wrong with them."""

import ssl
from pathlib import Path


def load_own_certificate(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    """Let this side show the certificate; raises ValueError, which says which file is wrong and how."""
    for file in (cert, key):
        _check_readable(file)
    try:
        # Without a callback OpenSSL would ask the terminal.
        context.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"the key in {key} is not that of the certificate in {cert}") from None
        if "-----BEGIN CERTIFICATE-----" not in cert.read_text("latin-1"):
            raise ValueError(f"{cert} holds no certificate in PEM format") from None
        raise ValueError(f"{cert} and {key} are no certificate and its key in PEM format") from None


def load_authorities(context: ssl.SSLContext, ca_file: Path) -> None:
    """Let this side trust what these authorities have signed; raises ValueError, which says what is wrong."""
    _check_readable(ca_file)
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError:
        raise ValueError(f"{ca_file} holds no certificate in PEM format") from None


def is_open_to_everyone(file: Path) -> bool:
    """Whether every user of this machine may read the file."""
    return bool(file.stat().st_mode & 0o004)


def _check_readable(file: Path) -> None:
    try:
        with file.open("rb"):
            return
    except OSError as error:
        raise ValueError(f"{file} cannot be read ({error.strerror})") from None


def _no_password() -> bytes:
    raise ValueError("the key is encrypted; give one without a passphrase, readable by its owner only")
