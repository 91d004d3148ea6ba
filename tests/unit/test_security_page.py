"""What SECURITY.md promises to be proved."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_proof_that_is_named_exists() -> None:
    """Each row of the table names tests, and there is such a function in such a file."""
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| against")]
    assert len(rows) >= 14
    for row in rows:
        proofs = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", row)
        assert proofs, row
        for file, name in proofs:
            assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.M), name
