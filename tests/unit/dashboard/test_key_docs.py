"""The documentation of the keys."""

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def test_documentation_has_the_keys_of_the_table() -> None:
    """The page is what the table of keys makes of it; `make docs` writes it anew."""
    spec = importlib.util.spec_from_file_location("make_keys", DOCS / "make_keys.py")
    assert spec is not None
    assert spec.loader is not None
    make_keys = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_keys)
    page = (DOCS / "dashboard.md").read_text(encoding="utf-8")
    assert page == make_keys.with_table(page)
    assert "| `f` | program |" in page
