"""Configuration: precedence, secrets, and errors that name the file, the field and the remedy."""

import hashlib
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import trustme

from gateway.config import DEFAULT_TOML, Settings, check_exposure, describe_settings, is_loopback, load
from gateway.config.environment import ollama_url
from gateway.errors import ConfigError

KEY = "sk-proj-0123456789abcdefWXYZ"

Load = Callable[..., Settings]


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Load a configuration from text, in a folder of its own and with nothing in the environment."""

    def run(
        text: str, environ: Mapping[str, str] | None = None, overrides: Mapping[str, object] | None = None
    ) -> Settings:
        (tmp_path / "gateway.toml").write_text(text, encoding="utf-8")
        return load(path=None, environ=environ or {}, overrides=overrides or {}, cwd=tmp_path)

    return run


def provider(extra: str = "", *, kind: str = "openai") -> str:
    """A provider table with some extra lines."""
    return f'[[providers]]\nname = "main"\nkind = "{kind}"\n{extra}\n'


def test_no_file_and_no_variables_leave_the_echo_model(tmp_path: Path) -> None:
    """Without any configuration the defaults hold and the echo provider serves the echo model."""
    settings = load(path=None, environ={}, overrides={}, cwd=tmp_path)
    assert (settings.server.host, settings.server.port, settings.server.workers) == ("127.0.0.1", 8000, 1)
    assert [(p.name, p.kind) for p in settings.providers] == [("echo", "echo")]
    assert [(m.name, m.targets[0].provider) for m in settings.models] == [("echo", "echo")]
    assert settings.source is None


def test_provider_keys_in_the_environment_add_their_providers(tmp_path: Path) -> None:
    """Each of the three variables adds its provider with its globs, and the base URL variables are honoured."""
    environ = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1/",
        "ANTHROPIC_API_KEY": "sk-ant-0123456789",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:10",
        "OLLAMA_HOST": "box",
    }
    settings = load(path=None, environ=environ, overrides={}, cwd=tmp_path)
    assert {p.name: (p.kind, p.base_url) for p in settings.providers} == {
        "openai": ("openai", "http://127.0.0.1:9/v1"),
        "anthropic": ("anthropic", "http://127.0.0.1:10/v1"),
        "ollama": ("openai", "http://box:11434/v1"),
        "echo": ("echo", ""),
    }
    by_provider = {
        p.name: [m.name for m in settings.models if m.targets[0].provider == p.name] for p in settings.providers
    }
    assert by_provider["openai"] == ["gpt-*", "chatgpt-*", "o1*", "o3*", "o4*", "codex-*", "text-embedding-*"]
    assert by_provider["anthropic"] == ["claude-*"]
    assert by_provider["ollama"] == ["*"]
    key = settings.providers[0].api_key
    assert key is not None
    assert (key.reveal(), key.source) == (KEY, "env OPENAI_API_KEY")


def test_provider_variables_do_not_count_beside_a_file(load_text: Load) -> None:
    """With a file that has no providers the variables add none, and a warning says so."""
    settings = load_text("[server]\nport = 1\n", {"OPENAI_API_KEY": KEY})
    assert [p.name for p in settings.providers] == ["echo"]
    assert "OPENAI_API_KEY" in settings.warnings[0]


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("box", "http://box:11434/v1"),
        ("box:1234", "http://box:1234/v1"),
        (":1234", "http://127.0.0.1:1234/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("[::1]:1234", "http://[::1]:1234/v1"),
        ("::1", "http://[::1]:11434/v1"),
        ("[::]", "http://[::1]:11434/v1"),
        ("http://box:1234/", "http://box:1234/v1"),
        ("http://box:1234/v1", "http://box:1234/v1"),
        ("https://box/ollama", "https://box/ollama/v1"),
    ],
)
def test_ollama_host_in_every_form(given: str, url: str) -> None:
    """OLLAMA_HOST may be a host, a host with a port, a port or a URL."""
    assert ollama_url(given) == url


def test_the_protocols_that_a_provider_was_given_are_printed(load_text: Load) -> None:
    """`gateway check` says which ones, where they are not those of its kind."""
    provider = '[[providers]]\nname = "up"\nkind = "openai"\nbase_url = "http://up.invalid/v1"\n'
    given = describe_settings(load_text(provider + 'protocols = ["chat", "responses"]\n'))
    assert "no key  speaks chat and responses\n" in given
    assert "speaks" not in describe_settings(load_text(provider))


def test_precedence(load_text: Load) -> None:
    """The command line wins over the environment, which wins over the file, which wins over the default."""
    text = "[server]\nport = 1\nworkers = 2\ngrace_s = 3\n"
    environ = {"GATEWAY_PORT": "10", "GATEWAY_WORKERS": "20"}
    server = load_text(text, environ, {"server.port": 100}).server
    assert (server.port, server.workers, server.grace_s, server.max_body_mb) == (100, 20, 3.0, 32)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[retry]\nbudget_s = 20\nmax_wait_s = 2", "3 attempts in all, begun within 20 s, waits up to 2 s"),
        ("[cooldown]\nfailures = 3", "after 3 failures in a row for 10 s, then doubled up to 120 s"),
        ("[cooldown]\nrest_s = 200", "after 5 failures in a row for 200 s, then doubled up to 200 s"),
        ("[cooldown]\nfailures = 0", "cooldown never"),
        ("[timeouts]\nrequest_head = 10", "head within 10 s, body within 300 s, idle 30 s"),
    ],
)
def test_the_limits_are_printed_as_they_hold(text: str, line: str, load_text: Load) -> None:
    """`gateway check` says what becomes of slow clients and failing providers."""
    assert line in " ".join(describe_settings(load_text(text)).split())


def test_every_section_has_variables(load_text: Load) -> None:
    """Any setting can come from GATEWAY_SECTION_FIELD, and an empty variable counts as absent."""
    environ = {
        "GATEWAY_TIMEOUTS_IDLE": "1.5",
        "GATEWAY_RETRY_ATTEMPTS": "7",
        "GATEWAY_LOG_LEVEL": "debug",
        "GATEWAY_NO_AUTH": "true",
        "GATEWAY_SERVER_HOST": "0.0.0.0",
        "GATEWAY_PORT": "",
    }
    settings = load_text("", environ)
    assert (settings.timeouts.idle, settings.retry.attempts, settings.log.level) == (1.5, 7, "debug")
    assert (settings.no_auth, settings.server.host, settings.server.port) == (True, "0.0.0.0", 8000)


def test_the_file_is_looked_for_in_order(tmp_path: Path) -> None:
    """-c wins over $GATEWAY_CONFIG, then come the working folder, $XDG_CONFIG_HOME and ~/.config."""
    places = ["named.toml", "variable.toml", "gateway.toml", "xdg/gateway/gateway.toml", ".config/gateway/gateway.toml"]
    for port, place in enumerate(places, start=1):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(f"[server]\nport = {port}\n")
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg"), "GATEWAY_CONFIG": "variable.toml"}
    path: Path | None = Path("named.toml")
    found = []
    for place in places:
        settings = load(path=path, environ=environ, overrides={}, cwd=tmp_path)
        assert settings.source == str(tmp_path / place)
        found.append(settings.server.port)
        if place == "named.toml":
            path = None
        elif place == "variable.toml":
            del environ["GATEWAY_CONFIG"]
        elif place.startswith("xdg"):
            del environ["XDG_CONFIG_HOME"]
        else:
            (tmp_path / place).unlink()
    assert found == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nprot = 1", ["server.prot", "did you mean port?"]),
        ("[sever]\nport = 1", ["sever is not", "did you mean server?"]),
        (provider('base_urll = "x"'), ["providers[0].base_urll", "did you mean base_url?"]),
        (
            '[[models]]\nname = "a"\ntargets = [{ provider = "echo", wieght = 1 }]',
            ["models[0].targets[0].wieght", "weight?"],
        ),
        ("[server]\nport = 65536", ["server.port must be an integer from 0 to 65535"]),
        ('[server]\nport = "8000"', ["server.port must be an integer from 0 to 65535"]),
        ("[server]\nport = true", ["server.port must be an integer"]),
        ("[server]\nport = 99999999999999999999999", ["server.port must be an integer"]),
        ("[server]\nworkers = 0", ["server.workers must be an integer from 1 to 64"]),
        ("[server]\nworkers = 65", ["server.workers"]),
        ('[server]\nhost = ""', ["server.host must be a string that is not empty"]),
        ("[timeouts]\nidle = 0", ["timeouts.idle must be a number above 0 and at most 86400"]),
        ("[timeouts]\nidle = nan", ["timeouts.idle"]),
        ("[timeouts]\nidle = inf", ["timeouts.idle"]),
        ("[timeouts]\nidle = 1979-05-27", ["timeouts.idle must be a number"]),
        ("[timeouts]\nrequest_head = 61", ["timeouts.request_head must be a number from 1 to 60"]),
        ("[cooldown]\nrest = 1", ["cooldown.rest is not a known setting; did you mean rest_s?"]),
        ("[retry]\nattempts = 0", ["retry.attempts must be an integer from 1"]),
        ('[log]\nlevel = "loud"', ["log.level must be one of debug, info, warning or error"]),
        ("server = 1", ["server must be a table"]),
        ("no_auth = 1", ["no_auth must be true or false"]),
        ('[providers]\nname = "a"', ["providers must be an array of tables; write [[providers]]"]),
        ('[[providers]]\nname = "a"', ["providers[0].kind is missing; it must be one of openai, anthropic or echo"]),
        ('[[models]]\nname = "a"', ["models[0].targets is missing"]),
        ('[[models]]\nname = "a"\ntargets = []', ["models[0].targets: is empty"]),
        ('[[models]]\nname = "a"\ntargets = [{ provider = "echo", weight = 0 }]', ["models[0].targets[0].weight"]),
        ('[[models]]\nname = "a"\ntargets = [{ provider = "ecko" }]', ["targets[0].provider", "'ecko'", "mean echo?"]),
        (provider() + provider(), ["providers[1].name: 'main' is already providers[0]"]),
        ('[[models]]\nname = "a"\ntargets = [{ provider = "echo" }]\n' * 2, ["models[1].name"]),
        ('[[keys]]\nname = "a"\nkey = "0123456789"\n' * 2, ["keys[1].name"]),
        ('[[providers]]\nname = "a\\u001b"\nkind = "echo"', ["providers[0].name: must be printable"]),
        ('[[providers]]\nname = "echo"\nkind = "openai"', ["providers[0].name: echo is the name of the built-in"]),
        (provider('base_url = "http://h"', kind="echo"), ["providers[0].base_url: means nothing to", "remove it"]),
        (provider('base_url = "localhost:8080"'), ["providers[0].base_url: must be a URL such as"]),
        (provider('base_url = "ftp://h/v1"'), ["providers[0].base_url: must be a URL"]),
        (provider('base_url = "http://h:99999/v1"'), ["providers[0].base_url: must be a URL"]),
        (provider('base_url = "http://h/v1?a=b"'), ["providers[0].base_url: must not have a query"]),
        (provider('base_url = "http://me:hunter2hunter2@h/v1"'), ["providers[0].base_url: must not hold a user name"]),
        (provider('protocols = ["chat"]', kind="echo"), ["providers[0].protocols: means nothing to", "remove it"]),
        (
            provider('protocols = ["smtp"]'),
            ["providers[0].protocols must be a list, each entry one of chat, responses or messages"],
        ),
        (provider("protocols = []"), ["providers[0].protocols: must name each protocol once"]),
        (provider('protocols = ["chat", "chat"]'), ["providers[0].protocols: must name each protocol once"]),
        (provider('protocols = ["chat"]', kind="anthropic"), ['providers[0].protocols: is always ["messages"]']),
        (provider('transport = "quick"'), ["providers[0].transport must be one of lean or httpcore"]),
        (provider("headers = { a = 1 }"), ["providers[0].headers must be a table of strings"]),
        (provider('headers = { "a b" = "c" }'), ["providers[0].headers: 'a b' cannot be sent"]),
        (provider('headers = { Content-Length = "1" }'), ["'Content-Length' cannot be sent"]),
        (provider('headers = { a = "b\\nc" }'), ["providers[0].headers.a: must be printable ASCII"]),
        (provider('api_key = "a"\napi_key_env = "B"'), ["providers[0]: has api_key and api_key_env; keep one"]),
        (provider('api_key_env = "NOT_THERE"'), ["api_key_env: the environment variable NOT_THERE is not set"]),
        (provider('api_key_env = "EMPTY"'), ["api_key_env: the key is empty (env EMPTY)"]),
        (provider('api_key = "a\\u0007bcdefgh"'), ["api_key: the key must be printable ASCII"]),
        (provider('api_key_file = "missing"'), ["api_key_file: the file that it names cannot be read (No such file"]),
        ('[[keys]]\nname = "a"', ["keys[0]: has no key; give exactly one of key, key_env, key_file and sha256"]),
        ('[[keys]]\nname = "a"\nkey = "b"\nsha256 = "c"', ["keys[0]: has key and sha256"]),
        ('[[keys]]\nname = "a"\nsha256 = "xyz"', ["keys[0].sha256: must be the 64 hexadecimal digits"]),
        ("[server]\nport = \n", ["not valid TOML", "line 2"]),
        ("a = " + "[" * 5000, ["gateway.toml: "]),
        ('[server]\nhost = "0.0.0.0"', ["server.host '0.0.0.0'", "[[keys]]", "127.0.0.1", "--no-auth"]),
    ],
)
def test_a_wrong_file_is_one_sentence(load_text: Load, tmp_path: Path, text: str, words: list[str]) -> None:
    """Every mistake in a file is a one-line ConfigError that begins with the file and names the field."""
    with pytest.raises(ConfigError) as caught:
        load_text(text, {"EMPTY": "\n"})
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'gateway.toml'}: ")
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"GATEWAY_PORT": "many"}, "environment variable GATEWAY_PORT: server.port must be an integer from 0 to 65535"),
        ({"GATEWAY_NO_AUTH": "perhaps"}, "environment variable GATEWAY_NO_AUTH: no_auth must be true or false"),
        ({"GATEWAY_CONFIG": "nowhere.toml"}, "cannot be read (No such file or directory); correct GATEWAY_CONFIG"),
        ({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "api"}, "environment variable OPENAI_BASE_URL must be a URL"),
        ({"OLLAMA_HOST": "http://a b"}, "environment variable OLLAMA_HOST must be a URL"),
        ({"OPENAI_API_KEY": "schlüssel-0123"}, "environment variable OPENAI_API_KEY must be printable ASCII"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, environ: dict[str, str], words: str) -> None:
    """A mistake in the environment names the variable."""
    with pytest.raises(ConfigError) as caught:
        load(path=None, environ=environ, overrides={}, cwd=tmp_path)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [({"server.port": -1}, "command line: server.port must be"), ({"server.prot": 1}, "did you mean port?")],
)
def test_a_wrong_option_is_named(tmp_path: Path, overrides: dict[str, object], words: str) -> None:
    """A mistake on the command line says so."""
    with pytest.raises(ConfigError, match=words.replace("?", r"\?")):
        load(path=None, environ={}, overrides=overrides, cwd=tmp_path)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    """A folder in place of the file, a missing -c file and bytes that are not UTF-8 are each one sentence."""
    (tmp_path / "gateway.toml").mkdir()
    with pytest.raises(ConfigError, match=r"gateway\.toml: cannot be read \(Is a directory\)"):
        load(path=None, environ={}, overrides={}, cwd=tmp_path)
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read .*correct -c"):
        load(path=Path("none.toml"), environ={}, overrides={}, cwd=tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# fine\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.toml: line 2 is not UTF-8"):
        load(path=Path("latin.toml"), environ={}, overrides={}, cwd=tmp_path)


def test_secrets_from_variable_file_and_inline(load_text: Load, tmp_path: Path) -> None:
    """A key comes from a variable, from a file beside the configuration, or with a warning from the file itself."""
    (tmp_path / "key.txt").write_text(KEY + "\r\n")
    (tmp_path / "key.txt").chmod(0o600)
    for line, source in (
        ('api_key_env = "MY_KEY"', "env MY_KEY"),
        ('api_key_file = "key.txt"', f"file {tmp_path / 'key.txt'}"),
        ('api_key_file = "~/key.txt"', f"file {tmp_path / 'key.txt'}"),
        (f'api_key = "{KEY}"', "inline"),
    ):
        settings = load_text(provider(line), {"MY_KEY": KEY + "\n", "HOME": str(tmp_path)})
        key = settings.providers[0].api_key
        assert key is not None
        assert (key.reveal(), key.source) == (KEY, source)
        assert [warning for warning in settings.warnings if "providers[0].api_key" in warning] == list(
            settings.warnings if source == "inline" else ()
        )


def test_a_key_that_others_can_read_is_warned_of(load_text: Load, tmp_path: Path) -> None:
    """The file is used all the same: in a container it may be the only user's."""
    for mode, count in ((0o600, 0), (0o640, 0), (0o644, 1)):
        (tmp_path / "key.txt").write_text(KEY)
        (tmp_path / "key.txt").chmod(mode)
        settings = load_text(provider('api_key_file = "key.txt"') + '[[keys]]\nname = "a"\nkey_file = "key.txt"\n')
        assert [warning.count("chmod 600") for warning in settings.warnings] == [1] * 2 * count


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        ("http://10.0.0.7/v1", True),
        ("http://host/v1", True),
        ("http://127.0.0.1:11434/v1", False),
        ("http://localhost/v1", False),
        ("https://host/v1", False),
    ],
)
def test_a_key_that_travels_in_the_clear_is_warned_of(load_text: Load, url: str, warns: bool) -> None:
    """Only where there is a key, whether it is the provider's or stands in an extra header."""
    for key in (f'api_key_env = "K"\nbase_url = "{url}"', f'headers = {{ x-api-key = "k" }}\nbase_url = "{url}"'):
        settings = load_text(provider(key), {"K": KEY})
        assert any("unencrypted" in warning for warning in settings.warnings) is warns
    assert load_text(provider(f'base_url = "{url}"')).warnings == ()


def test_client_keys_are_kept_as_digests(load_text: Load, tmp_path: Path) -> None:
    """However a client key is given, only its SHA-256 is kept."""
    digest = hashlib.sha256(KEY.encode()).digest()
    (tmp_path / "key.txt").write_text(KEY + "\n")
    hashed = f'sha256 = "{digest.hex().upper()}"'
    for line in (f'key = "{KEY}"', 'key_env = "GATEWAY_KEY"', 'key_file = "key.txt"', hashed):
        settings = load_text(f'[[keys]]\nname = "laptop"\n{line}\n', {"GATEWAY_KEY": KEY})
        assert [(key.name, key.digest) for key in settings.keys] == [("laptop", digest)]


def test_no_text_form_shows_a_secret(load_text: Load) -> None:
    """Neither the settings' text forms nor what check prints show more than four characters of a key."""
    header = "header-credential-value"
    settings = load_text(provider(f'api_key = "{KEY}"\nheaders = {{ x-api-key = "{header}" }}'))
    for text in (repr(settings), str(settings), describe_settings(settings), "\n".join(settings.warnings)):
        assert KEY[:-4] not in text
        assert KEY[-5:] not in text
        assert header not in text
    assert "…WXYZ" in describe_settings(settings)
    assert settings.secrets() == (KEY, header)


def test_a_short_secret_shows_nothing(load_text: Load) -> None:
    """Of a key of fewer than twelve characters nothing is shown."""
    assert "elevenchars"[-4:] not in repr(load_text(provider('api_key = "elevenchars"')).providers)


@pytest.mark.parametrize(
    "line",
    [
        f'api_key_env = "{KEY}"',
        f'api_key_file = "{KEY}"',
        f'api_key = "{KEY}\\u0001"',
        f'base_url = "https://me:{KEY}@h/v1"',
        f'kind = "{KEY}"',
        f'headers = {{ a = "{KEY}\\n" }}',
    ],
)
def test_no_error_shows_a_secret(load_text: Load, line: str) -> None:
    """A key in the wrong place is not repeated in the error."""
    with pytest.raises(ConfigError) as caught:
        load_text(f'[[providers]]\nname = "main"\n{line}\n' + ("" if "kind" in line else 'kind = "openai"\n'))
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("given", ["https://h/v1", "https://h/v1/", "https://h", "https://h/"])
def test_anthropic_urls_end_in_v1(load_text: Load, given: str) -> None:
    """The base URL of an anthropic provider may be written with or without /v1."""
    assert load_text(provider(f'base_url = "{given}"', kind="anthropic")).providers[0].base_url == "https://h/v1"


def test_base_urls_have_defaults(load_text: Load) -> None:
    """Without a base URL a provider is the vendor's own, and a missing key there is warned of."""
    for kind, url in (("openai", "https://api.openai.com/v1"), ("anthropic", "https://api.anthropic.com/v1")):
        settings = load_text(provider(kind=kind))
        assert settings.providers[0].base_url == url
        assert "no API key" in settings.warnings[0]
        assert settings.providers[0].transport == "lean"
        assert settings.providers[0].usage


def test_what_a_provider_speaks_can_be_said(load_text: Load) -> None:
    """In the order in which it is to be used; without a word it is what the kind speaks."""
    said = [load_text(provider(extra)).providers[0] for extra in ('protocols = ["responses", "chat"]', "")]
    assert [one.protocols for one in said] == [("responses", "chat"), ()]


def test_a_model_called_echo_replaces_the_built_in_one(load_text: Load) -> None:
    """A file may send the model echo elsewhere; the provider echo stays."""
    settings = load_text('[[models]]\nname = "echo"\ntargets = [{ provider = "main" }]\n' + provider())
    assert [model.targets[0].provider for model in settings.models] == ["main"]
    assert [p.name for p in settings.providers] == ["main", "echo"]


def test_misspelt_variables_are_warned_of(tmp_path: Path) -> None:
    """A variable that is nearly one of ours is warned of, and a Kubernetes service link is passed over."""
    environ = {"GATEWAY_PROT": "1", "GATEWAY_KEY": "x", "GATEWAY_PORT": "tcp://10.0.0.1:80"}
    settings = load(path=None, environ=environ, overrides={}, cwd=tmp_path)
    assert settings.server.port == 8000
    assert ["GATEWAY_PROT" in settings.warnings[0], "Kubernetes" in settings.warnings[1]] == [True, True]
    assert len(settings.warnings) == 2


def test_settings_pickle(load_text: Load) -> None:
    """Settings reach a spawned worker unchanged."""
    settings = load_text(provider(f'api_key = "{KEY}"\nheaders = {{ a = "b" }}'))
    copy = pickle.loads(pickle.dumps(settings))
    assert copy == settings
    assert copy.secrets() == (KEY,)


def test_the_example_loads_as_it_is(load_text: Load) -> None:
    """The example holds the defaults, and loads without any variable."""
    settings = load_text(DEFAULT_TOML)
    assert settings == load_text("")


def test_the_example_loads_uncommented(load_text: Load, tmp_path: Path) -> None:
    """Every commented-out table of the example is right too."""
    lines = [line.removeprefix("# ") for line in DEFAULT_TOML.splitlines()]
    tables = lines[next(i for i, line in enumerate(lines) if line == "[[providers]]") :]
    authority, client = trustme.CA(), trustme.CA().issue_cert("client.example")
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    client.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
    client.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    (tmp_path / "client.key").chmod(0o600)
    prose = ("Models:", "it streams", "Client keys", "no_auth = true, ", "#")
    text = "\n".join(line for line in tables if not line.startswith(prose))
    settings = load_text(text, {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY, "GATEWAY_KEY": KEY})
    assert [p.name for p in settings.providers] == ["openai", "anthropic", "ollama", "echo"]
    assert [m.name for m in settings.models] == ["gpt-*", "claude-*", "small", "echo"]
    assert settings.warnings == ()


def test_limits_of_concurrency_are_checked_and_shown(load_text: Load) -> None:
    """`gateway check` tells those of the worker and of each key; a key without one has none; none of them may be 0."""
    keys = (
        '[[keys]]\nname = "few"\nkey = "0123456789"\nmax_concurrent = 20\n[[keys]]\nname = "any"\nkey = "abcdefghij"\n'
    )
    settings = load_text(keys, {"GATEWAY_MAX_CONCURRENT": "5000"})
    assert settings.server.max_concurrent == 5000
    assert [key.max_concurrent for key in settings.keys] == [20, None]
    shown = describe_settings(settings).splitlines()
    assert any("headers 64 KB" in line for line in shown)
    assert any(line.split()[:3] == ["concurrency", "5,000", "requests"] for line in shown)
    assert [line.split()[3:5] for line in shown if line.startswith(("  few", "  any"))] == [["20", "requests"], []]
    for text, words in (
        (keys.replace("20", "0"), "keys[0].max_concurrent must be an integer from 1 to 1000000"),
        ("[server]\nmax_concurrent = 0\n", "server.max_concurrent must be an integer from 1 to 1000000"),
        ("[server]\nmax_header_kb = 1000\n", "server.max_header_kb must be an integer from 1 to 256"),
    ):
        with pytest.raises(ConfigError, match=re.escape(words)):
            load_text(text, {})


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "0", "192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7", "my.host", "127.1"]
)
def test_listening_to_others_needs_keys_or_consent(load_text: Load, host: str) -> None:
    """A host that others reach, or that might be one, is refused unless there are client keys or no_auth."""
    environ = {"GATEWAY_HOST": host}
    with pytest.raises(ConfigError, match="no client keys"):
        load_text("", environ)
    check_exposure(load_text("no_auth = true", environ))
    check_exposure(load_text('[[keys]]\nname = "a"\nkey = "0123456789"', environ))


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("localhost", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost.example.com", False),
    ],
)
def test_loopback(host: str, answer: bool) -> None:
    """Only addresses of this machine alone count as loopback."""
    assert is_loopback(host) is answer
