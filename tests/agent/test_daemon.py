"""The daemon: detects, delivers, reloads and activates, and never falls silent."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent import control, durable, release
from agent.wire import Refused

if TYPE_CHECKING:
    from conftest import Daemon

SHADOW = "/etc/shadow"


def rule(name: str, path: str, priority: str = "WARNING") -> str:
    return f"""
- rule: {name}
  desc: a file is opened
  condition: evt.type = openat and fd.name = {path}
  output: opened %fd.name
  priority: {priority}
  tags: [t]
"""


def configure(folder: Path, rules: str, **keys: Any) -> Path:
    (folder / "rules.yaml").write_text(rules)
    lines = [f"rules_files: [{folder}/rules.yaml]", "json_output: true", "stdout_output: {enabled: true}"]
    lines += [f"{key}: {value}" for key, value in keys.items()]
    (folder / "falco.yaml").write_text("\n".join(lines) + "\n")
    return folder / "falco.yaml"


def put(daemon: Daemon, number: int, rules: str) -> tuple[str, str]:
    """Lay a release beside the others; return its id and the digest that an engine must report."""
    config = b"rules_files: [/etc/tercel/current/rules]\nstdout_output: {enabled: true}\njson_output: true\n"
    manifest = release.Manifest(
        number=number,
        created="2026-01-01T00:00:00Z",
        description="",
        rules=(release.ReleaseFile("rules/a.yaml", release.sha256(rules.encode())),),
        playbooks=(),
        configs=(release.sha256(config),),
    )
    files = {"rules/a.yaml": rules.encode(), "falco.yaml": config, "manifest.json": manifest.to_json()}
    durable.folder(daemon.paths.releases / manifest.id, files)
    return manifest.id, release.engine_digest([rules.encode()], config)


def test_an_event_that_matches_is_printed_and_spooled(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start(str(configure(tmp_path, rule("Shadow", SHADOW))))
    daemon.opens("/etc/hosts")
    daemon.opens(SHADOW)
    daemon.until(lambda: daemon.printed() and daemon.spooled())
    (line,), (record,) = daemon.printed(), daemon.spooled()
    assert line["rule"] == record["alert"]["rule"] == "Shadow"
    assert record["alert"]["output_fields"]["fd.name"] == SHADOW
    assert record["subject"]["pid"] == 7
    assert record["seq"] == 1
    assert record["digest"] == daemon.status()["digest"]
    assert record["t"]["matched_ns"] <= record["t"]["spooled_ns"]
    status = daemon.status()
    assert (status["events"], status["alerts"], status["rules"]) == (2, 1, 1)
    assert status["outputs"]["stdout_output"]["delivered"] == 1


def test_sigterm_delivers_what_was_captured(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start(str(configure(tmp_path, rule("Shadow", SHADOW))))
    daemon.opens(SHADOW, 500)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert len(daemon.printed()) == len(daemon.spooled()) == 500
    assert not daemon.paths.pid.exists()
    assert not daemon.paths.socket.exists()


def test_kill_9_keeps_what_was_spooled_and_the_next_daemon_goes_on(daemon: Daemon, tmp_path: Path) -> None:
    config = str(configure(tmp_path, rule("Shadow", SHADOW)))
    daemon.start(config)
    daemon.opens(SHADOW, 10)
    daemon.until(lambda: daemon.status()["alerts"] == 10)
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    daemon.start(config)
    daemon.opens(SHADOW)
    daemon.until(lambda: len(daemon.spooled()) == 11)
    assert len({(record["epoch"], record["seq"]) for record in daemon.spooled()}) == 11


def test_only_one_daemon_runs(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start(str(configure(tmp_path, rule("Shadow", SHADOW))))
    first = daemon.process
    daemon.start(wait=False)
    assert daemon.wait() != 0
    assert "AlreadyRunningError" in daemon.said()
    daemon.process = first
    assert daemon.answers()


def test_rules_that_do_not_load_end_the_start_with_their_place(daemon: Daemon, tmp_path: Path) -> None:
    config = configure(tmp_path, rule("Broken", "x").replace("and fd.name", "and fd.nmae"))
    daemon.start(str(config), wait=False)
    assert daemon.wait() != 0
    assert f"{tmp_path}/rules.yaml:4:" in daemon.said()


@pytest.mark.parametrize("how", ["socket", "signal"])
def test_a_reload_changes_what_is_detected(daemon: Daemon, tmp_path: Path, how: str) -> None:
    daemon.start(str(configure(tmp_path, rule("Shadow", SHADOW))))
    before = daemon.status()["digest"]
    configure(tmp_path, rule("Hosts", "/etc/hosts"))
    if how == "socket":
        assert daemon.ask("reload")["rules"] == 1
    else:
        daemon.signal(signal.SIGHUP)
    daemon.until(lambda: daemon.status()["digest"] != before)
    daemon.opens(SHADOW)
    daemon.opens("/etc/hosts")
    daemon.until(lambda: daemon.status()["events"] == 2)
    assert daemon.spooled_rules() == ["Hosts"]


def test_a_change_on_disk_is_a_reload(daemon: Daemon, tmp_path: Path) -> None:
    config = configure(tmp_path, rule("Shadow", SHADOW))
    daemon.start(str(config))
    before = daemon.status()["digest"]
    beside = tmp_path / "beside"
    beside.write_text(rule("Hosts", "/etc/hosts"))
    beside.rename(tmp_path / "rules.yaml")
    daemon.until(lambda: daemon.status()["digest"] != before)
    daemon.opens("/etc/hosts")
    daemon.until(lambda: daemon.spooled_rules() == ["Hosts"])


def test_a_change_on_disk_is_left_alone_if_the_configuration_says_so(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start(str(configure(tmp_path, rule("Shadow", SHADOW), watch_config_files="false")))
    before = daemon.status()["digest"]
    (tmp_path / "rules.yaml").write_text(rule("Hosts", "/etc/hosts"))
    time.sleep(2)
    assert daemon.status()["digest"] == before


def test_no_event_is_lost_while_rules_are_replaced(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start(str(configure(tmp_path, rule("Shadow", SHADOW))))
    for number in range(3):
        configure(tmp_path, rule("Shadow", SHADOW) + rule(f"Other {number}", "/x"))
        daemon.signal(signal.SIGHUP)
        for _ in range(20):
            daemon.opens(SHADOW, 20)
        daemon.until(lambda number=number: daemon.status()["rules"] == 2)
    daemon.until(lambda: daemon.status()["events"] == 1200)
    assert daemon.spooled_rules() == ["Shadow"] * 1200


def test_a_reload_that_fails_keeps_what_runs_tells_the_caller_and_raises_an_alert(
    daemon: Daemon, tmp_path: Path
) -> None:
    daemon.start(str(configure(tmp_path, rule("Shadow", SHADOW))))
    configure(tmp_path, rule("Broken", "x").replace("and fd.name", "and fd.nmae"))
    with pytest.raises(Refused) as refused:
        daemon.ask("reload")
    assert refused.value.code == "release_rejected"
    (finding,) = [each for each in refused.value.details["diagnostics"] if each["severity"] == "error"]
    assert (finding["file"], finding["line"]) == (f"{tmp_path}/rules.yaml", 4)
    daemon.opens(SHADOW)
    daemon.until(lambda: len(daemon.spooled()) == 2)
    # The caller may have its answer a moment before the alert is written: the order is not promised.
    priorities = {each["alert"]["rule"]: each["alert"]["priority"] for each in daemon.spooled()}
    assert priorities == {"Falco internal: hot restart failure": "Critical", "Shadow": "Warning"}
    assert "rules.yaml" in daemon.status()["problem"]


def test_capture_that_cannot_be_changed_keeps_what_runs(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start(str(configure(tmp_path, rule("Shadow", SHADOW))))
    (tmp_path / "refuse").touch()
    configure(tmp_path, rule("Hosts", "/etc/hosts"))
    with pytest.raises(Refused, match="refused by a test"):
        daemon.ask("reload")
    daemon.opens(SHADOW)
    daemon.until(lambda: "Shadow" in daemon.spooled_rules())


def test_without_a_release_the_daemon_waits_for_one(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.status()["mode"].startswith("idle")
    name, digest = put(daemon, 1, rule("Shadow", SHADOW))
    assert daemon.ask("activate", release=name) == {"ok": True, "digest": digest, "previous": None}
    assert daemon.paths.current.resolve().name == name
    daemon.opens(SHADOW)
    daemon.until(lambda: daemon.spooled_rules() == ["Shadow"])
    assert daemon.spooled()[0]["release"] == name


def test_the_next_release_replaces_the_first_and_survives_a_restart(daemon: Daemon) -> None:
    daemon.start()
    first, _ = put(daemon, 1, rule("Shadow", SHADOW))
    second, digest = put(daemon, 2, rule("Shadow", SHADOW) + rule("Hosts", "/etc/hosts"))
    daemon.ask("activate", release=first)
    assert daemon.ask("activate", release=second)["previous"] == first
    daemon.signal(signal.SIGTERM)
    daemon.wait()
    daemon.start()
    assert (daemon.status()["release"], daemon.status()["digest"]) == (second, digest)
    daemon.opens("/etc/hosts")
    daemon.until(lambda: daemon.spooled_rules() == ["Hosts"])


def test_a_release_that_does_not_load_changes_nothing(daemon: Daemon) -> None:
    daemon.start()
    good, _ = put(daemon, 1, rule("Shadow", SHADOW))
    bad, _ = put(daemon, 2, rule("Broken", "x").replace("and fd.name", "and fd.nmae"))
    daemon.ask("activate", release=good)
    with pytest.raises(Refused) as refused:
        daemon.ask("activate", release=bad)
    assert refused.value.code == "release_rejected"
    assert daemon.paths.current.resolve().name == good
    assert daemon.status()["release"] == good


def test_a_release_that_cannot_be_captured_is_taken_back(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start()
    first, _ = put(daemon, 1, rule("Shadow", SHADOW))
    second, _ = put(daemon, 2, rule("Hosts", "/etc/hosts"))
    (tmp_path / "refuse").touch()
    with pytest.raises(Refused):
        daemon.ask("activate", release=first)
    assert not daemon.paths.current.is_symlink()
    (tmp_path / "refuse").unlink()
    daemon.ask("activate", release=first)
    (tmp_path / "refuse").touch()
    with pytest.raises(Refused):
        daemon.ask("activate", release=second)
    assert daemon.paths.current.resolve().name == first


def test_a_daemon_that_runs_a_file_takes_no_releases(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start(str(configure(tmp_path, rule("Shadow", SHADOW))))
    name, _ = put(daemon, 1, rule("Hosts", "/etc/hosts"))
    with pytest.raises(Refused, match="start it without -c"):
        daemon.ask("activate", release=name)


def test_a_current_release_that_does_not_load_leaves_a_daemon_that_takes_another(daemon: Daemon) -> None:
    bad, _ = put(daemon, 1, "- rule: [")
    durable.symlink(daemon.paths.current, f"releases/{bad}")
    daemon.start()
    assert bad in daemon.status()["problem"]
    daemon.until(lambda: bool(daemon.spooled()))
    assert daemon.spooled_rules() == ["Falco internal: hot restart failure"]
    good, _ = put(daemon, 2, rule("Shadow", SHADOW))
    daemon.ask("activate", release=good)
    assert daemon.status()["problem"] == ""
    assert daemon.status()["release"] == good


def test_lost_events_raise_falcos_drop_alert(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start(str(configure(tmp_path, rule("Shadow", SHADOW))))
    (tmp_path / "drops").write_text("40")
    daemon.until(lambda: daemon.spooled_rules() == ["Falco internal: syscall event drop"])
    fields = daemon.spooled()[0]["alert"]["output_fields"]
    assert fields["n_drops"] == "40"
    assert daemon.status()["drops"] == 40


def test_an_output_that_hangs_costs_its_own_alerts_only(daemon: Daemon, tmp_path: Path) -> None:
    hanging = tmp_path / "hanging"
    os.mkfifo(hanging)
    reader = os.open(hanging, os.O_RDONLY | os.O_NONBLOCK)
    config = configure(
        tmp_path,
        rule("Shadow", SHADOW),
        file_output=f"{{enabled: true, keep_alive: true, filename: {hanging}}}",
        outputs_queue="{capacity: 20}",
        stdout_output="{enabled: false}",
    )
    text = config.read_text().replace("stdout_output: {enabled: true}\n", "")
    config.write_text(text)
    daemon.start(str(config))
    daemon.opens(SHADOW, 1000)
    daemon.until(lambda: daemon.status()["events"] == 1000)
    counts = daemon.status()["outputs"]["file_output"]
    assert counts["dropped"] > 0
    daemon.until(lambda: "Tercel internal: alerts lost by an output" in daemon.spooled_rules())
    assert daemon.spooled_rules().count("Shadow") == 1000
    os.close(reader)


def test_an_unknown_request_is_refused_and_the_daemon_goes_on(daemon: Daemon) -> None:
    daemon.start()
    with pytest.raises(Refused, match="does not know"):
        daemon.ask("dance")
    assert daemon.answers()


def test_a_dead_daemons_socket_is_no_daemon(daemon: Daemon) -> None:
    daemon.start()
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    assert daemon.paths.socket.exists()
    with pytest.raises(control.NoDaemonError):
        daemon.status()
    daemon.start()
    assert daemon.answers()
