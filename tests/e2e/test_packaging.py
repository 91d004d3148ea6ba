"""Wheel and sdist: what is in them, what is not, and that the wheel runs where it is installed."""

import email
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import gateway
from tests.support.distributions import ROOT, build_both
from tests.support.process import clean_environment


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist of this tree."""
    return build_both(tmp_path_factory.mktemp("dist"))


def sources(*roots: str) -> set[str]:
    """The files of a checkout in these folders, without what tools leave behind."""
    found = (path for root in roots for path in (ROOT / root).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def test_the_wheel_has_the_package_and_nothing_else(built: tuple[Path, Path]):
    """Every file of `gateway`, the mark of its types included, and what the format asks for."""
    names = set(zipfile.ZipFile(built[0]).namelist())
    package = {name for name in names if name.startswith("gateway/")}
    assert package == sources("gateway")
    assert "gateway/py.typed" in package
    rest = {name.partition("/")[2] for name in names - package}
    assert rest == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}


def test_the_sdist_has_what_the_tests_need_and_nothing_else(built: tuple[Path, Path]):
    """The folders of the tree and the files beside them; no cache, no environment, no result of a build."""
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    folders = ("gateway", "tests", "benchmarks", "docs", "deploy", "requirements")
    beside = {"Makefile", "mkdocs.yml", "CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "pyproject.toml"}
    assert names == sources(*folders) | beside | {".pre-commit-config.yaml", ".gitignore", "PKG-INFO"}


def test_the_version_stands_in_one_place(built: tuple[Path, Path]):
    """The names of the files and the metadata have the version of the package; the project's file has none."""
    wheel, sdist = built
    assert wheel.name == f"gateway_llm-{gateway.__version__}-py3-none-any.whl"
    assert sdist.name == f"gateway_llm-{gateway.__version__}.tar.gz"
    archive = zipfile.ZipFile(wheel)
    metadata = email.message_from_bytes(archive.read(f"gateway_llm-{gateway.__version__}.dist-info/METADATA"))
    assert metadata["Version"] == gateway.__version__
    assert gateway.__version__ not in (ROOT / "pyproject.toml").read_text()


def test_the_wheel_runs_where_it_is_installed(built: tuple[Path, Path], tmp_path: Path):
    """In an environment of its own its command works; the dependencies are those that the tests have."""
    environment = tmp_path / "empty"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, timeout=120)
    python = environment / "bin" / "python"
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    subprocess.run([python, "-m", "pip", "install", *options, built[0]], check=True, timeout=120)
    variables = clean_environment(tmp_path) | {"PYTHONPATH": sysconfig.get_path("purelib")}
    command = environment / "bin" / "gateway"
    shown = subprocess.run(
        [command, "--version"], cwd=tmp_path, env=variables, capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout == f"gateway {gateway.__version__}\n"
    where = "import gateway; print(gateway.__file__)"
    found = subprocess.run([python, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.startswith(os.fspath(environment))
    subprocess.run([command, "check"], cwd=tmp_path, env=variables, capture_output=True, check=True, timeout=60)
