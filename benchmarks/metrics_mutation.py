"""The mutation gate of the metrics: 95 % of all mutants die, and docs/mutation-report.md explains each that lives.

Run it as `make mutation`; it takes about half an hour on two cores at the lowest priority. With patterns, such as
`gateway.metrics.cells.*`, only those mutants are tried again; the verdicts on the others, in build/mutation, stay.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections import Counter
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
WORK: Final = ROOT / "build" / "mutation"
REPORT: Final = ROOT / "docs" / "mutation-report.md"
MINIMUM_PERCENT: Final = 95.0

# What is mutated and what kills: the fast tests of the room. The day takes longer than all the others, and those with
# real processes wait for time to pass.
COPIES: Final = (
    "gateway/__init__.py",
    "gateway/metrics",
    "tests/conftest.py",
    "tests/support/metrics.py",
    "tests/unit/metrics",
    "tests/properties/metrics",
)
SLOW_TESTS: Final = (
    "tests/unit/metrics/test_processes.py",
    "tests/properties/metrics/test_torture.py",
    "tests/properties/metrics/test_day.py",
)

# A mutant that runs six times as long as its tests should is taken for one that never ends.
CONFIGURATION: Final = f"""
[tool.mutmut]
source_paths = ["gateway"]
only_mutate = ["gateway/metrics/*"]
also_copy = ["conftest.py"]
use_git_change_detection = false
timeout_multiplier = 6.0
timeout_constant = 5.0
pytest_add_cli_args = ["-p", "no:cacheprovider", {", ".join(f'"--ignore={path}"' for path in SLOW_TESTS)}]
pytest_add_cli_args_test_selection = ["tests/unit/metrics", "tests/properties/metrics"]

[tool.pytest.ini_options]
pythonpath = ["."]
addopts = "-q --import-mode=importlib"
asyncio_default_fixture_loop_scope = "function"
"""
# Every run draws the same examples, and a mutant that has failed once need not fail in the simplest way.
PROFILE: Final = """\
from hypothesis import Phase, settings

settings.register_profile(
    "mutation", deadline=None, derandomize=True, database=None, max_examples=60, phases=(Phase.explicit, Phase.generate)
)
"""

DEAD: Final = frozenset({"killed", "timeout", "segfault", "caught by type check"})


def prepare() -> None:
    """Make the environment, and a copy of what is tried; what has not changed keeps its date."""
    if not (WORK / "venv" / "bin" / "mutmut").exists():
        venv.create(WORK / "venv", with_pip=True)
        requirements = Path(__file__).with_suffix(".txt")
        pip = (WORK / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        subprocess.run([*pip, "-r", requirements], check=True)
    for name in COPIES:
        source, copy = ROOT / name, WORK / name
        if source.is_dir():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
    (WORK / "pyproject.toml").write_text(CONFIGURATION)
    (WORK / "conftest.py").write_text(PROFILE)


def mutmut(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the tool in the copy, at the lowest priority."""
    environ = {**os.environ, "HYPOTHESIS_PROFILE": "mutation"}
    command: tuple[str | Path, ...] = ("nice", "-n", "19", WORK / "venv" / "bin" / "mutmut", *arguments)
    return subprocess.run(command, cwd=WORK, env=environ, text=True, capture_output=arguments[0] != "run", check=True)


def main(patterns: list[str]) -> int:
    """Try the mutants, all by default, and say how many lived: 0 if the gate is passed."""
    if not patterns:
        shutil.rmtree(WORK / "mutants", ignore_errors=True)
    prepare()
    mutmut("run", "--max-children", "2", *patterns)
    lines = re.findall(r"^\s*(\S+): (.+)$", mutmut("results", "--all", "true").stdout, re.MULTILINE)
    verdicts = {name: verdict for name, verdict in lines if verdict != "not checked"}
    dead = sum(verdict in DEAD for verdict in verdicts.values())
    percent = 100 * dead / len(verdicts)
    counted = ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts.values()).most_common())
    print(f"\n{percent:.2f} % of {len(verdicts)} mutants are dead ({counted}); {MINIMUM_PERCENT} % are asked for.")
    report = REPORT.read_text()
    unexplained = sorted(name for name, verdict in verdicts.items() if verdict not in DEAD and name not in report)
    for name in unexplained:
        print(f"{REPORT.name} does not explain {name} ({verdicts[name]})")
    return int(percent < MINIMUM_PERCENT or bool(unexplained))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
