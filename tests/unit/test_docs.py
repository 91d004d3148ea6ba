"""README and docs: nothing in them is stale, no link leads nowhere, and every command is one that there is."""

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from granian.cli import cli as granian
from granian.constants import HTTPModes

from gateway.cli import cli
from gateway.config import load
from gateway.config.document import Document
from gateway.dashboard.state import PANELS
from gateway.metrics.outcome import OUTCOMES
from tests.support.guide import code_blocks, parsed

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
KEYS = dict.fromkeys(("OPENAI_API_KEY", "GATEWAY_KEY"), "a-key-of-at-least-sixteen-characters")


def script(name: str) -> ModuleType:
    """A script of the folder docs, as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = script("generate")


@pytest.mark.parametrize("name", sorted(generate.PARTS))
def test_each_generated_part_is_what_the_code_makes_of_it(name: str):
    """The page is current; `make generate` writes it anew."""
    page = (DOCS / generate.PARTS[name][0]).read_text(encoding="utf-8")
    assert page == generate.with_part(page, name), "run `make generate`"


def test_a_page_without_marks_is_refused():
    """A part never disappears because somebody has changed its marks."""
    with pytest.raises(ValueError, match="no marks for keys"):
        generate.with_part("<!-- end of keys -->\n", "keys")


def test_words_come_from_the_comments_of_the_example():
    """Those behind a setting, whether it is commented out or not; a section is a table or an array of them."""
    found = generate.comments('[a]\nb = 1   # first\nc = "#2"   # second\n# [[d]]\n# e = 3      # third\n# f = 4\n')
    assert found == {"a.b": "first", "a.c": "second", "d.e": "third"}


def test_the_reference_has_every_setting():
    """Each section has a heading, and each setting of it a row."""
    page = (DOCS / "configuration.md").read_text()
    for section in Document.__struct_fields__:
        assert re.search(rf"^### `\[+{section}\]+`$|^\| `{section}` \|", page, re.MULTILINE), section


def test_every_outcome_and_panel_is_explained():
    """The tables of metrics and dashboard have a row for each that there is in the code."""
    metrics, dashboard = (DOCS / "metrics.md").read_text(), (DOCS / "dashboard.md").read_text()
    assert all(f"| `{outcome.label}` |" in metrics for outcome in OUTCOMES)
    assert all(re.search(rf"^\| {panel} \|", dashboard, re.MULTILINE) for panel in PANELS)


def anchors(page: Path) -> set[str]:
    """What a link may name in a page: its headings, as GitHub and MkDocs write them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_link_leads_nowhere(page: Path):
    """Each page, picture and heading that is linked to is there."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_file(), target
        assert not anchor or anchor in anchors(linked), target


def printed_commands() -> Iterator[tuple[str, list[str]]]:
    """Each line of a block for the shell, by its page: its words, without comments and variables before it."""
    for page in PAGES:
        for block in code_blocks(page):
            if block.language == "sh":
                for line in block.text.replace("\\\n", " ").splitlines():
                    words = shlex.split(line, comments=True)
                    if words[:2] == ["sudo", "-u"]:
                        words = words[3:]
                    while words and re.match(r"[A-Z_]+=", words[0]):
                        words = words[1:]
                    if words:
                        yield page.name, words


def test_every_gateway_command_that_is_printed_is_understood():
    """Its options are those that there are."""
    found = 0
    for page, words in printed_commands():
        if Path(words[0]).name == "gateway":
            assert words[1] in cli.commands, (page, words)
            if "--help" not in words:
                parsed(words[1:])
            found += 1
    assert found >= 15


def targets() -> dict[str, str]:
    """The targets that `make help` lists, with what it says of them."""
    # Under `make unit` this make is one below another, which tells where it enters unless it is asked not to.
    command = ["make", "--no-print-directory", "help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    names_and_words = (line.split(None, 1) for line in done.stdout.splitlines())
    return {found[0]: found[1] for found in names_and_words}


def test_the_command_of_granian_is_understood_and_bounds_how_long_a_head_may_take():
    """With HTTP/2 as well it would wait for ever for a client that sends nothing."""
    [words] = [words for _, words in printed_commands() if words[0] == "granian"]
    options = granian.make_context("granian", words[1:]).params
    assert (options["http"], options["http1_header_read_timeout"]) == (HTTPModes.http1, 30_000)


def test_every_target_that_is_printed_exists():
    """In the pages `make` is followed by a target of the Makefile."""
    listed = targets()
    words = [words for _, words in printed_commands() if words[0] == "make"]
    named = [name for page in PAGES for name in re.findall(r"`make ([a-z-]+)", page.read_text())]
    assert {command[1] for command in words} | set(named) <= set(listed)
    assert len(words) >= 5


def test_every_target_lists_itself():
    """What one may run by name has a line in `make help`."""
    text = (ROOT / "Makefile").read_text()
    [phony] = re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert sorted(phony.split()) == sorted(targets())


def test_the_configurations_that_are_printed_are_accepted(tmp_path: Path):
    """That of the README, as it would be copied."""
    [block] = [block for block in code_blocks(ROOT / "README.md") if block.title == "gateway.toml"]
    (tmp_path / "gateway.toml").write_text(block.text)
    settings = load(path=None, environ=KEYS, overrides={}, cwd=tmp_path)
    assert [model.name for model in settings.models] == ["gpt-*", "small", "echo"]
    assert settings.warnings == ()


def test_the_table_of_dependencies_is_complete():
    """Each dependency of the project has a row with its reason, and no row is left over."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [re.match(r"[\w\[\]-]+", line)[0] for line in project["dependencies"]]  # type: ignore[index]
    table = (ROOT / "README.md").read_text().partition("## Dependencies")[2]
    rows = [line.split(" | ")[0].strip("| ") for line in table.splitlines() if line.startswith("| ")]
    assert rows[1:] == wanted


def test_every_page_is_in_the_navigation():
    """A page that cannot be found is not read."""
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    listed = [page for part in navigation for page in ([part] if isinstance(part, str) else next(iter(part.values())))]
    assert sorted(listed) == sorted(path.name for path in DOCS.glob("*.md"))


def test_every_page_has_one_title():
    """It is what the navigation of the site shows of it; what stands in blocks of code is none."""
    for path in DOCS.glob("*.md"):
        text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        assert (text.count("\n# "), text[:2]) == (0, "# "), path.name


@pytest.mark.parametrize("start", ["README.md", "docs/index.md"])
def test_every_page_is_linked_where_readers_begin(start: str):
    """Also for who reads the pages as plain Markdown, where there is no navigation."""
    named = {Path(target).name for target in re.findall(r"\]\(([^)#:]+\.md)\)", (ROOT / start).read_text())}
    assert {path.name for path in DOCS.glob("*.md")} - {"index.md"} <= named


def test_the_site_is_built_without_a_warning(tmp_path: Path):
    """Strictly, as `make docs` does it; MkDocs is installed by that target only."""
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("MkDocs is not installed here; `make docs` installs it")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "site" / "index.html").is_file()


def test_the_hooks_run_the_tools_of_the_tests():
    """Each hook before a commit starts something that is installed for `make test`, so that versions agree."""
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    programs = {hook["entry"].split()[0] for hook in repository["hooks"]}
    assert {Path(program).parent for program in programs} == {Path(".venv/bin")}
    assert all((Path(sys.executable).parent / Path(program).name).exists() for program in programs)
