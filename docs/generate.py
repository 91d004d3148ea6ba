"""Write the parts of these pages that come from the code: keys, settings, the example file, the help of each command.

python docs/generate.py           writes them
python docs/generate.py --check   only says, by its exit status, whether they are as they should be

A part stands between two marks, `<!-- NAME: written by docs/generate.py -->` and `<!-- end of NAME -->`.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import click
import msgspec

from gateway.cli import cli
from gateway.config import DEFAULT_TOML
from gateway.config.document import Document
from gateway.config.environment import VARIABLES
from gateway.config.schema import describe
from gateway.dashboard.bindings import help_lines

DOCS = Path(__file__).parent
_HELP_COLUMNS = 100

# The words for settings whose comment in the example file is about the value there, or that need none in a file.
_WORDS = {
    "no_auth": "whether the gateway may listen beyond this machine without client keys",
    "server.port": "port to listen on; 0 takes a free one",
    "log.level": "the least that is logged",
    "timeouts.connect": "until there is a connection to a provider, TLS included",
    "timeouts.first_byte": "from a request that was sent to the head of the answer",
    "providers.name": "what targets call it, and the log",
    "providers.kind": "the protocol family",
    "providers.base_url": "what stands before `/chat/completions` or `/messages`",
    "providers.api_key": "the key itself; `gateway check` warns",
    "providers.api_key_env": "the name of the variable that holds the key",
    "providers.api_key_file": "a file that holds the key, relative to the configuration file",
    "providers.transport": "`httpcore` for HTTP/2 and proxies, which costs 40 times as much CPU",
    "providers.client_key": "the key of that certificate",
    "cooldown.max_rest_s": "the longest rest",
    "models.name": "what clients ask for: a name, or a pattern with `*`",
    "models.targets": "who serves it, in this order",
    "models.strategy": "`ordered`: the next target only if this one fails; `weighted`: shared by weight, then the rest",
    "models.targets.provider": "the name of a provider",
    "models.targets.model": "what the model is called there; without it, as the client calls it",
    "models.targets.weight": "its share, with the strategy `weighted`",
    "keys.name": "what you call the client",
    "keys.key": "the key itself; `gateway check` warns",
    "keys.key_env": "the name of the variable that holds the key",
    "keys.key_file": "a file that holds the key, relative to the configuration file",
    "keys.sha256": "what `printf %s KEY | sha256sum` prints",
}


def keys() -> str:
    """The keys of the dashboard as a table, section by section."""
    lines = ["| keys | | what they do |\n", "|---|---|---|\n"]
    for section, bindings in help_lines():
        lines += [f"| {_code(shown)} | {section} | {text} |\n" for shown, text in bindings]
    return "".join(lines)


def _code(shown: str) -> str:
    return " ".join(f"`{key}`" for key in shown.split(" "))


def settings() -> str:
    """Every setting of a configuration file: its type, default, variable and meaning, a table for each section."""
    words = {**comments(DEFAULT_TOML), **_WORDS}
    # Of two variables for the same setting the short one comes last.
    variables = {setting: variable for variable, setting in VARIABLES.items()}
    parts = []
    top: list[msgspec.structs.FieldInfo] = []
    for field in msgspec.structs.fields(Document):
        shape = _struct(field.type)
        if shape is None:
            top.append(field)
        else:
            title = f"[[{field.name}]]" if _is_array(field.type) else f"[{field.name}]"
            parts.append(_table(title, field.name, msgspec.structs.fields(shape), words, variables))
            parts += [
                _table(f"[[{field.name}]] {inner.name}", f"{field.name}.{inner.name}", fields, words, variables)
                for inner in msgspec.structs.fields(shape)
                if (fields := _fields_of(inner.type))
            ]
    return "\n".join([*parts, _table("above the first section", "", tuple(top), words, variables)])


def _table(
    title: str,
    prefix: str,
    fields: tuple[msgspec.structs.FieldInfo, ...],
    words: Mapping[str, str],
    variables: Mapping[str, str],
) -> str:
    lines = [f"### `{title}`\n\n" if "[" in title else f"### {title.capitalize()}\n\n"]
    has_variables = any(f"{prefix}.{field.name}".lstrip(".") in variables for field in fields)
    head = ["key", "what it is", "default", *(["variable"] if has_variables else []), "meaning"]
    lines += [f"| {' | '.join(head)} |\n", f"|{'---|' * len(head)}\n"]
    for field in fields:
        setting = f"{prefix}.{field.name}".lstrip(".")
        cells = [f"`{field.name}`", _kind(field.type), _default(field)]
        if has_variables:
            cells.append(f"`{variables[setting]}`" if setting in variables else "")
        if setting not in words:
            raise ValueError(f"{setting} needs a comment behind it in gateway/config/example.py")
        lines.append(f"| {' | '.join([*cells, _escaped(words[setting])])} |\n")
    return "".join(lines)


def comments(example: str) -> dict[str, str]:
    """The comments behind the settings of an example file, by their dotted names; also of those commented out."""
    found: dict[str, str] = {}
    section = ""
    for line in example.splitlines():
        text = line.removeprefix("# ")
        if header := re.match(r"\[+([\w.]+)\]+", text):
            section = f"{header[1]}."
        elif setting := re.match(r"(\w+) = .*?\s#\s+(.*)", text):
            found.setdefault(section + setting[1], setting[2])
    return found


def _struct(shape: Any) -> type[msgspec.Struct] | None:
    inner = get_args(shape)[0] if _is_array(shape) else shape
    return inner if isinstance(inner, type) and issubclass(inner, msgspec.Struct) else None


def _fields_of(shape: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    struct = _struct(shape)
    return msgspec.structs.fields(struct) if struct is not None else ()


def _is_array(shape: Any) -> bool:
    return get_origin(shape) is tuple


def _kind(shape: Any) -> str:
    return "an array of tables" if _struct(shape) is not None else _escaped(describe(shape))


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "must be given"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value in ((), {}):
        return "none"
    return f"`{msgspec.json.encode(value).decode()}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def example() -> str:
    """The file that `gateway init` writes."""
    return f"```toml\n{DEFAULT_TOML}```\n"


def commands() -> str:
    """The help of each command, as it prints it."""
    return "\n".join(f"## gateway {name}\n\n```text\n{_help(command)}\n```\n" for name, command in _commands())


def _commands() -> Iterator[tuple[str, click.Command]]:
    order = ["serve", "top", "demo", "check", "init"]
    yield from ((name, cli.commands[name]) for name in order)
    yield from ((name, command) for name, command in cli.commands.items() if name not in order)


def _help(command: click.Command) -> str:
    # Its settings name the options for help, which click keeps with the command from the first time on.
    parent = click.Context(cli, info_name="gateway", max_content_width=_HELP_COLUMNS, **cli.context_settings)
    context = click.Context(command, parent, command.name, terminal_width=_HELP_COLUMNS)
    return command.get_help(context)


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "keys": ("dashboard.md", keys),
    "settings": ("configuration.md", settings),
    "example": ("configuration.md", example),
    "commands": ("commands.md", commands),
}


def with_part(page: str, name: str) -> str:
    """The page with that part as the code has it; raises ValueError if the page has no place for it."""
    begin, end = f"<!-- {name}: written by docs/generate.py -->\n", f"<!-- end of {name} -->\n"
    before, mark, rest = page.partition(begin)
    _, end_mark, after = rest.partition(end)
    if not (mark and end_mark):
        raise ValueError(f"the page has no marks for {name}")
    return f"{before}{begin}\n{PARTS[name][1]()}\n{end}{after}"


def main() -> int:
    """Write or check; returns the exit status."""
    stale = []
    for name, (file, _) in PARTS.items():
        page = (DOCS / file).read_text(encoding="utf-8")
        wanted = with_part(page, name)
        if page != wanted:
            stale.append(name)
            if sys.argv[1:] != ["--check"]:
                (DOCS / file).write_text(wanted, encoding="utf-8")
    return int(bool(stale) and sys.argv[1:] == ["--check"])


if __name__ == "__main__":
    sys.exit(main())
