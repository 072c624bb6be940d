"""Everything that `make bench` measures, one after the other, as ratios of one run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = ("generate.py", "deploy.py", "wire.py", "vip.py")


def main() -> int:
    codes = [subprocess.run([sys.executable, str(HERE / p)], check=False).returncode
             for p in PROGRAMS]  # fmt: skip
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
