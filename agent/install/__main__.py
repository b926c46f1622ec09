"""``python3 -m agent.install FOLDER``: install from an unpacked archive (docs/protocol.md, Installing)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from agent.install.installer import Installer, InstallError
from agent.paths import Paths


def main(arguments: list[str]) -> int:
    """Install; print what was done as one JSON line. Return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python3 -m agent.install FOLDER\n")
        return 2
    try:
        installer = Installer(Path(arguments[0]), Paths.of_environment())
        installer.install()
    except (InstallError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    answer = {"changed": installer.changed, "version": installer.version, "notes": installer.notes}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
