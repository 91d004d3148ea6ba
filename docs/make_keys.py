"""Write the table of keys into docs/dashboard.md, from the table that dispatches them.

python docs/make_keys.py           writes it
python docs/make_keys.py --check   only says, by its exit status, whether it is as it should be
"""

import sys
from pathlib import Path

from gateway.dashboard.bindings import help_lines

PAGE = Path(__file__).parent / "dashboard.md"
BEGIN, END = "<!-- keys: written by docs/make_keys.py -->\n", "<!-- end of keys -->\n"


def table() -> str:
    """The keys as a Markdown table, section by section."""
    lines = ["| keys | | what they do |\n", "|---|---|---|\n"]
    for section, bindings in help_lines():
        lines += [f"| {_code(shown)} | {section} | {text} |\n" for shown, text in bindings]
    return "".join(lines)


def _code(shown: str) -> str:
    return " ".join(f"`{key}`" for key in shown.split(" "))


def with_table(page: str) -> str:
    """The page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> int:
    """Write or check."""
    page = PAGE.read_text(encoding="utf-8")
    wanted = with_table(page)
    if sys.argv[1:] == ["--check"]:
        return int(page != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
