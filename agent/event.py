"""One captured system call, as a mapping from field key to value.

A field key is the field as the rule writes it, with its argument: ``proc.name``,
``proc.aname[2]``, ``evt.arg.flags``. Values are what the field's type says:

========================================  =====================================
type                                      Python value
========================================  =====================================
CHARBUF, FSPATH, FSRELPATH, BYTEBUF       ``bytes``
integers, PORT, RELTIME, ABSTIME, flags   ``int`` (times in nanoseconds)
BOOL                                      ``bool``
DOUBLE                                    ``float``
IPADDR                                    ``bytes``, 4 or 16, network order
IPNET                                     ``(bytes address, int prefix length)``
list of X                                 ``tuple`` of the above
========================================  =====================================

An ancestor field without index (``proc.aname``) is a tuple of all ancestors' values, the parent first; an
event that gives them only one by one (``proc.aname[1]``, …) need not have it.

``None`` means that the field has no value here. Looking a field up never raises.
"""

from __future__ import annotations

from typing import Any

Value = Any
"""A field's value, by the table above; ``None`` for no value."""


class Event(dict[str, Value]):
    """An event whose fields are all given at once: tests, replay, conformance cases.

    Live events subclass this and compute a field when it is first asked for, in
    ``__missing__``, which must store what it found and must not raise.
    """

    __slots__ = ("number", "subject", "time_ns", "type")

    type: str
    """Event type, such as ``openat``."""
    time_ns: int
    """Wall-clock time of the system call's return, in nanoseconds since 1970."""
    number: int
    """Number of this event since the agent began, from 1."""
    subject: Subject | None
    """Identity of the process that made the call; ``None`` where unknown."""

    def __init__(
        self,
        type_: str,
        fields: dict[str, Value] | None = None,
        *,
        time_ns: int = 0,
        number: int = 0,
        subject: Subject | None = None,
    ) -> None:
        super().__init__(fields or {})
        self.type = type_
        self.time_ns = time_ns
        self.number = number
        self.subject = subject

    def __missing__(self, key: str) -> Value:
        return None


class Subject(dict[str, Any]):
    """Who did it, precise enough to act on: goes with the alert to the controller and back.

    Keys (all optional, JSON types):

    - ``pid``: thread group id in the initial pid namespace of the kernel
    - ``tid``: thread id, same namespace
    - ``ns_pid``: thread group id in the agent's own pid namespace, the number that
      ``pidfd_open`` takes there
    - ``start_ns``: start time of the thread group leader, nanoseconds since boot
      (``task_struct.start_boottime``; ``/proc/<pid>/stat`` field 22 holds it in clock ticks)
    - ``exe``: path of the executable, ``exe_ino`` and ``exe_dev``: its inode and device
    - ``container_id``: full id of the container, absent on the host
    - ``boot_id``: which start of the kernel this was (``/proc/sys/kernel/random/boot_id``)
    """
