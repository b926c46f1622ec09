"""Start ``tercel-agent`` from where it is installed, with nothing but its own modules and the system's.

Run with ``python3 -I``. The version is fixed at the start: what is imported later is of the same version,
whatever ``current`` names by then.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    """Run the command line of the version that this file is part of; return the exit code."""
    root = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(root), str(root / "vendor")]
    from agent.cli import main as command  # can be found only now

    return command()


if __name__ == "__main__":
    sys.exit(main())
