"""The steps of an installation. Each looks first whether there is anything to do."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from agent import control, durable
from agent.install import unit
from agent.paths import Paths
from agent.wire import Refused

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,99}")
_PARTS = ("agent", "responders", "vendor")
_START_S = 150


class InstallError(Exception):
    """The agent cannot be installed."""


class Installer:
    """Installs the agent that lies unpacked in ``folder``. Raises InstallError."""

    def __init__(self, folder: Path, paths: Paths) -> None:
        self._folder, self._paths = folder, paths
        self.changed = False
        """Whether anything had to be done."""
        self.notes: list[str] = []
        """What was done, or what the operator should know."""
        try:
            self.version = (folder / "VERSION").read_text().strip()
        except OSError as error:
            raise InstallError(f"{folder} holds no unpacked agent: {error.strerror}: VERSION") from None
        if not _VERSION.fullmatch(self.version):
            raise InstallError(f"{self.version!r} is no version of the agent")

    def install(self) -> None:
        """Do every step. A crash in between leaves the old agent or the new one; a second run goes on."""
        if os.geteuid() != 0:
            raise InstallError("installing the agent needs root")
        self._make_folders()
        self._put_version()
        self._switch()
        self._write_command()
        if unit.usable(self._paths):
            self._run_by_systemd()
        else:
            self._run_by_itself()
        self._drop_old_versions()

    def _did(self, note: str) -> None:
        self.changed = True
        self.notes.append(note)

    def _make_folders(self) -> None:
        places = self._paths
        private = (
            places.etc,
            places.releases,
            places.spool.parent,
            places.spool,
            places.respond,
            places.log.parent,
        )
        wanted = (places.versions.parent, places.versions, *private)
        missing = [folder for folder in wanted if not folder.is_dir()]
        if missing:
            self._did(f"made {len(missing)} folders")
        for folder in wanted:
            mode = 0o700 if folder in private else 0o755
            if folder in missing:
                folder.mkdir(mode=mode, parents=True, exist_ok=True)
            if folder.stat().st_mode & 0o777 != mode:
                folder.chmod(mode)
                self._did(f"took rights of others off {folder}")

    @property
    def _target(self) -> Path:
        return self._paths.versions / self.version

    def _put_version(self) -> None:
        files = {"VERSION": (self._folder / "VERSION").read_bytes()}
        for part in _PARTS:
            for path in (self._folder / part).rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    files[str(path.relative_to(self._folder))] = path.read_bytes()
        if any(_content(self._target / name) != content for name, content in files.items()):
            durable.folder(self._target, files)
            self._did("copied the agent")

    def _switch(self) -> None:
        link, wanted = self._paths.installed, f"versions/{self.version}"
        if not link.is_symlink() or os.readlink(link) != wanted:  # noqa: PTH115 - text is compared, not a path
            before = Path(os.readlink(link)).name if link.is_symlink() else None  # noqa: PTH115
            durable.symlink(link, wanted)
            self._did(f"switched from version {before}" if before else "made it the version in use")

    @property
    def _argv(self) -> list[str]:
        return [sys.executable, "-I", str(self._paths.installed / "agent/launcher.py")]

    def _write_command(self) -> None:
        text = f'#!/bin/sh\nexec {shlex.join(self._argv)} "$@"\n'.encode()
        command = self._paths.command
        if _content(command) == text:
            return
        try:
            command.parent.mkdir(parents=True, exist_ok=True)
            durable.write(command, text, 0o755)
        except OSError as error:
            raise InstallError(f"{command}, which the controller calls, cannot be written: {error}") from None
        self._did(f"wrote {command}")

    def _run_by_systemd(self) -> None:
        text = unit.text(self._argv).encode()
        if _content(unit.FILE) != text:
            durable.write(unit.FILE, text, 0o644)
            unit.systemctl("daemon-reload")
            self._did(f"wrote {unit.FILE}")
        if unit.enable():
            self._did(f"enabled {unit.NAME}")
        if self._running() != str(self._target):
            unit.systemctl("restart", unit.NAME)
            self._did(f"started {unit.NAME}")

    def _run_by_itself(self) -> None:
        running = self._running()
        if running == str(self._target):
            return
        if running is not None:
            self._call("stop")
        self._call("start")
        self._did("started the daemon; without systemd nothing starts it at boot")

    def _running(self) -> str | None:
        """Return the folder of the version that runs, ``None`` if no daemon does."""
        try:
            engine = control.ask(self._paths, {"do": "status"}, timeout_s=10)["engine"]
        except (control.NoDaemonError, Refused):
            return None
        return str(engine.get("installed"))

    def _call(self, verb: str) -> None:
        done = subprocess.run(
            [*self._argv, verb],
            capture_output=True,
            text=True,
            check=False,
            timeout=_START_S,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            raise InstallError(f"installed, but tercel-agent {verb} failed: {done.stderr.strip()}")

    def _drop_old_versions(self) -> None:
        """Keep the version in use and the one before it."""
        versions = [each for each in self._paths.versions.iterdir() if each != self._target]
        versions.sort(key=lambda each: each.stat().st_mtime, reverse=True)
        for old in versions[1:]:
            shutil.rmtree(old)
            self._did(f"removed {old}")


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
