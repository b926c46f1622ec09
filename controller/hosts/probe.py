"""Facts about a host. Sent to it as source and run by its own Python: standard library only, 3.6 and newer.

Prints one JSON object on standard output.
"""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

_RUNTIMES = {
    "docker": ("/run/docker.sock", "/var/run/docker.sock"),
    "containerd": ("/run/containerd/containerd.sock",),
    "crio": ("/run/crio/crio.sock",),
    "podman": ("/run/podman/podman.sock",),
}
_BTF = "/sys/kernel/btf/vmlinux"
_BCC = "import bcc; print(getattr(bcc, '__version__', 'unknown'))"


def _os_name() -> str:
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return "unknown"
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return lines.get("PRETTY_NAME", "unknown").strip('"')


def _bcc() -> "str | None":
    """Return bcc's version, or None. In a child: it loads LLVM, which may crash or hang."""
    try:
        done = subprocess.run([sys.executable, "-c", _BCC], stdout=-1, stderr=-3, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def _agent() -> "str | None":
    try:
        return Path(os.readlink("/opt/tercel/current")).name  # noqa: PTH115 - Path has no readlink in 3.6
    except OSError:
        return None


def _packages() -> "str | None":
    for name in ("apt-get", "dnf", "yum", "zypper"):
        if any(Path(folder, name).exists() for folder in ("/usr/bin", "/bin")):
            return name
    return None


def main() -> None:
    """Print the facts."""
    began = time.time()
    facts = {
        "began": began,
        "python": list(sys.version_info[:3]),
        "python_path": sys.executable,
        "root": os.geteuid() == 0,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "os": _os_name(),
        "btf": os.access(_BTF, os.R_OK),
        "bcc": _bcc(),
        "runtimes": sorted(name for name, paths in _RUNTIMES.items() if any(map(os.path.exists, paths))),
        "systemd": Path("/run/systemd/system").is_dir(),
        "packages": _packages(),
        "agent": _agent(),
        "ended": time.time(),
    }
    sys.stdout.write(json.dumps(facts))


main()
