"""Simulated hosts on this machine: namespaces, a private bridge, a real sshd each.

    with Fleet.start(["web1", "web2", "db1"]) as fleet:
        fleet.inventory            # an inventory for tercel, with keys and known hosts
        fleet["web1"].run(["id"])  # a command inside a host
        fleet["web1"].cut()        # its cable pulled

A host has its own network, pid, mount and uts namespaces and its own ``/etc`` (a copy of the
machine's), ``/opt``, ``/root``, ``/run``, ``/tmp``, ``/usr/local/bin`` and ``/var``. ``/usr`` and
``/sys`` are the machine's. Nothing that happens on it touches the machine, and
everything goes when the fleet ends, however it ends.
"""

from demo.fleet.fleet import Fleet
from demo.fleet.host import FleetError, Host
from demo.fleet.sweep import leftovers, sweep

__all__ = ["Fleet", "FleetError", "Host", "leftovers", "sweep"]
