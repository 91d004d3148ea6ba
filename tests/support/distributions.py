"""Build the wheel and the sdist of this tree, with the tools that are installed: nothing is fetched.

python -m tests.support.distributions FOLDER
"""

import os
import sys
from pathlib import Path

from hatchling import build

ROOT = Path(__file__).resolve().parents[2]


def build_both(folder: Path) -> tuple[Path, Path]:
    """Build the wheel and the sdist into a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    before = Path.cwd()
    # The build backend's interface says that it runs in the folder of the project.
    os.chdir(ROOT)
    try:
        return folder / build.build_wheel(str(folder)), folder / build.build_sdist(str(folder))
    finally:
        os.chdir(before)


if __name__ == "__main__":
    for path in build_both(Path(sys.argv[1]).resolve()):
        sys.stdout.write(f"{path.name}\n")
