"""The fields of kernel structs that the probes read, as C macros for the running kernel.

For each field ``O_<struct>_<field>`` is its byte offset and ``T_<struct>_<field>`` the
unsigned integer type of its width. A field written ``a|b`` is ``a``, named ``b`` in other kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.kernel.errors import KernelError

if TYPE_CHECKING:
    from agent.kernel.btf import Btf

_FIELDS: dict[str, str] = {
    "task_struct": (
        "mm pid tgid real_parent group_leader comm cred files fs nsproxy signal thread_pid loginuid sessionid"
        " start_boottime|real_start_time cgroups exit_code maj_flt min_flt"
    ),
    "thread_info": "status",
    "signal_struct": "tty pids live rlim maj_flt min_flt",
    "tty_struct": "index driver",
    "tty_driver": "major minor_start",
    "cred": "uid gid euid egid suid sgid fsuid fsgid cap_inheritable cap_permitted cap_effective",
    "pid": "level numbers",
    "upid": "nr ns",
    "pid_namespace": "level child_reaper ns",
    "ns_common": "inum",
    "nsproxy": "mnt_ns net_ns",
    "mnt_namespace": "ns",
    "net": "ns",
    "mm_struct": "exe_file arg_start arg_end env_start env_end total_vm",
    "files_struct": "fdt",
    "fdtable": "max_fds fd",
    "path": "mnt dentry",
    "file": "f_path f_inode f_flags f_mode private_data",
    "qstr": "name",
    "dentry": "d_parent d_name d_inode d_flags d_sb",
    "vfsmount": "mnt_root mnt_flags",
    "mount": "mnt mnt_parent mnt_mountpoint",
    "inode": "i_mode i_ino i_sb i_uid i_gid i_nlink i_flags i_rdev",
    "super_block": "s_dev s_magic s_flags",
    "fs_struct": "root pwd",
    "socket": "state type sk",
    "sock_common": (
        "skc_family skc_daddr skc_rcv_saddr skc_dport skc_num skc_state skc_v6_daddr skc_v6_rcv_saddr"
    ),
    "sock": "sk_protocol sk_ack_backlog sk_max_ack_backlog",
    "inet_sock": "inet_saddr",
    "unix_sock": "addr peer",
    "unix_address": "len name",
    "css_set": "subsys dfl_cgrp",
    "cgroup_subsys_state": "cgroup",
    "cgroup": "kn",
    "kernfs_node": "name parent|__parent",
    "linux_binprm": "filename interp",
}
_OPTIONAL: dict[str, str] = {
    "inode": "i_ctime_sec i_ctime_nsec __i_ctime i_ctime i_mtime_sec i_mtime_nsec __i_mtime i_mtime",
    "sock": "sk_type",
}
_REGISTERS = "di si dx r10 r8 r9 bx cx bp ax orig_ax"
_CGROUP_V1 = ("pids", "memory", "devices", "cpu", "freezer")
_UINT = {1: "u8", 2: "u16", 4: "u32", 8: "u64"}


def header(btf: Btf) -> str:
    """Return the macros for one kernel. Raises KernelError if it lacks a field."""
    lines = [line for name, fields in _FIELDS.items() for line in _struct(btf, name, fields.split())]
    for name, fields in _OPTIONAL.items():
        lines += _optional(btf, name, fields.split())
    lines += _struct(btf, "pt_regs", _REGISTERS.split())
    lines.append(f"#define S_inode {btf.size(btf.struct('inode'))}")
    lines.append(f"#define S_upid {btf.size(btf.struct('upid'))}")
    lines.append(f"#define PIDTYPE_PGID {_enum(btf, 'pid_type', 'PIDTYPE_PGID')}")
    lines.append(f"#define PIDTYPE_SID {_enum(btf, 'pid_type', 'PIDTYPE_SID')}")
    return "\n".join([*lines, *_cgroups(btf), ""])


def _struct(btf: Btf, name: str, fields: list[str]) -> list[str]:
    struct_id = btf.struct(name)
    lines = []
    for field in fields:
        names = field.split("|")
        found = [member for member in (btf.member(struct_id, one) for one in names) if member]
        if not found:
            raise KernelError(f"struct {name} of this kernel has no field {' or '.join(names)}")
        lines += _macros(name, names[0], found[0].offset, found[0].size)
    return lines


def _optional(btf: Btf, name: str, fields: list[str]) -> list[str]:
    struct_id = btf.struct(name)
    members = [(field, btf.member(struct_id, field)) for field in fields]
    return [
        line
        for field, member in members
        if member
        for line in _macros(name, field, member.offset, member.size)
    ]


def _macros(name: str, field: str, offset: int, size: int) -> list[str]:
    lines = [f"#define O_{name}_{field} {offset}"]
    if size in _UINT:
        lines.append(f"#define T_{name}_{field} {_UINT[size]}")
    return lines


def _enum(btf: Btf, name: str, value: str) -> int:
    number = btf.enum(name, value)
    if number is None:
        raise KernelError(f"enum {name} of this kernel has no {value}")
    return number


def _cgroups(btf: Btf) -> list[str]:
    """Index of the first cgroup v1 controller that containers are limited by, if any is built in."""
    numbers = [btf.enum("cgroup_subsys_id", f"{name}_cgrp_id") for name in _CGROUP_V1]
    present = [number for number in numbers if number is not None]
    return [f"#define CGROUP_V1_{index} {number}" for index, number in enumerate(present)]
