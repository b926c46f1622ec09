"""The simulated hosts themselves: that they are real enough, and that nothing of them stays."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo.fleet import Fleet, FleetError, leftovers, sweep

pytestmark = pytest.mark.fleet
ROOT = Path(__file__).parents[2]


def ssh(fleet: Fleet, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
    options = ["BatchMode=yes", "ConnectTimeout=3", "StrictHostKeyChecking=yes"]
    return subprocess.run(
        [
            *("ssh", "-F", "none", "-i", fleet.key),
            *(f"-o{option}" for option in [*options, f"UserKnownHostsFile={fleet.known_hosts}"]),
            *(f"root@{fleet[name].address}", *argv),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_each_host_answers_over_ssh_with_its_own_name_and_key(fleet: Fleet) -> None:
    assert {name: ssh(fleet, name, "hostname").stdout.strip() for name in fleet.hosts} == {
        name: name for name in fleet.hosts
    }
    assert len({host.public_key for host in fleet.hosts.values()}) == len(fleet.hosts)


def test_a_host_sees_only_its_own_processes(fleet: Fleet) -> None:
    sleeper = fleet["web1"].popen(["sleep", "1000"])
    try:
        deadline = time.monotonic() + 5
        while not fleet["web1"].pids("sleep"):
            assert time.monotonic() < deadline
        assert fleet["web2"].pids("sleep") == []
    finally:
        fleet["web1"].run(["sh", "-c", "kill -9 -1"], check=False)
        sleeper.wait(5)
        fleet.restart("web1")


def test_a_host_writes_to_its_own_folders_and_not_to_the_machine(fleet: Fleet) -> None:
    folders = ["/etc", "/opt", "/root", "/run", "/tmp", "/usr/local/bin", "/var/lib", "/var/log", "/var/tmp"]
    mark = f"tercel-mark-{fleet.id}"
    for folder in folders:
        fleet["db1"].run(["sh", "-c", f"echo x > {folder}/{mark}"])
    assert [folder for folder in folders if Path(folder, mark).exists()] == []
    assert (
        fleet["web1"]
        .run(["sh", "-c", f"ls {' '.join(f'{f}/{mark}' for f in folders)}"], check=False)
        .returncode
    )


def test_a_host_knows_nothing_of_the_machines_passwords(fleet: Fleet) -> None:
    assert set(fleet["web1"].run(["cut", "-d:", "-f2", "/etc/shadow"]).stdout.split()) == {"*"}


def test_a_host_has_what_the_agent_needs(fleet: Fleet) -> None:
    assert "vmlinux" in fleet["web1"].run(["ls", "/sys/kernel/btf"]).stdout
    assert fleet["web1"].run(["ls", "/sys/fs/cgroup"]).stdout.strip()
    fleet["web1"].run(["/usr/bin/python3", "-c", "import bcc"])


def test_orphans_on_a_host_are_reaped(fleet: Fleet) -> None:
    fleet["web1"].run(["sh", "-c", "(sh -c 'echo $$ > /tmp/orphan; exec sleep 0.05' &) ; exit 0"])
    orphan = Path(
        f"/proc/{fleet['web1'].init}/root/proc", (fleet["web1"].folder / "tmp/orphan").read_text().strip()
    )
    deadline = time.monotonic() + 5
    while orphan.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_cut_host_hangs_and_a_restored_one_answers(fleet: Fleet) -> None:
    address = (fleet["web2"].address, 22)
    fleet["web2"].cut()
    try:
        with pytest.raises(OSError, match=r"timed out|No route"):
            socket.create_connection(address, timeout=0.5).close()
    finally:
        fleet["web2"].restore()
    socket.create_connection(address, timeout=5).close()


def test_a_host_with_a_new_key_is_refused_until_it_is_known(fleet: Fleet) -> None:
    fleet["db1"].new_key()
    refused = ssh(fleet, "db1", "true")
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr
    assert refused.returncode == 255
    fleet.write_known_hosts()
    assert ssh(fleet, "db1", "true").returncode == 0


def test_a_restarted_host_keeps_its_disk_and_loses_its_processes(fleet: Fleet) -> None:
    fleet["db1"].run(["sh", "-c", "echo kept > /var/lib/kept; echo lost > /run/lost"])
    fleet["db1"].popen(["sleep", "1000"])
    fleet.restart("db1")
    assert fleet["db1"].run(["cat", "/var/lib/kept"]).stdout == "kept\n"
    assert fleet["db1"].run(["cat", "/run/lost"], check=False).returncode
    assert fleet["db1"].pids("sleep") == []


def test_a_failing_command_on_a_host_says_where_and_what(fleet: Fleet) -> None:
    with pytest.raises(FleetError, match=r"web1: cat /no/such: exit 1: .*No such file"):
        fleet["web1"].run(["cat", "/no/such"])


def test_nothing_of_a_stopped_fleet_is_left() -> None:
    with Fleet.start(["one1"]) as fleet:
        fleet["one1"].popen(["sleep", "1000"])
        assert len(leftovers(fleet.id)) >= 4
    assert leftovers(fleet.id) == []


SOMEONE = """
import sys, time
from demo.fleet import Fleet
fleet = Fleet.start(["one1", "two1"])
fleet["one1"].popen(["sleep", "1000"])
print(fleet.id, flush=True)
time.sleep(1000)
"""


def test_a_killed_owner_leaves_nothing_that_the_next_start_does_not_clear() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SOMEONE], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        fleet = owner.stdout.readline().strip()
        assert sweep() == []  # it lives: hands off
        os.kill(owner.pid, signal.SIGKILL)
    assert leftovers(fleet) != []
    sweep()
    deadline = time.monotonic() + 5
    while left := leftovers(fleet):
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def test_an_interrupted_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Fleet] = []

    def interrupted(fleet: Fleet) -> None:
        made.append(fleet)
        raise KeyboardInterrupt

    monkeypatch.setattr(Fleet, "write_known_hosts", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Fleet.start(["one1"])
    assert leftovers(made[0].id) == []
