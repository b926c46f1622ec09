"""The few headers that bcc asks for, so that no kernel headers need to be installed.

bcc brings the BPF headers itself; the rest of what it includes is written here. Numbers
are those of the kernel's user interface.
"""

from __future__ import annotations

from pathlib import Path

_KCONFIG = """
#define CONFIG_BPF_SYSCALL 1
#define BITS_PER_LONG 64
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION({major}, {minor}, 0)
"""

_TYPES = """
#pragma once
typedef unsigned char __u8; typedef signed char __s8;
typedef unsigned short __u16; typedef short __s16;
typedef unsigned int __u32; typedef int __s32;
typedef unsigned long long __u64; typedef long long __s64;
typedef __u8 u8; typedef __u16 u16; typedef __u32 u32; typedef __u64 u64;
typedef __s8 s8; typedef __s16 s16; typedef __s32 s32; typedef __s64 s64;
typedef __u16 __le16; typedef __u16 __be16; typedef __u32 __le32; typedef __u32 __be32;
typedef __u64 __le64; typedef __u64 __be64; typedef __u16 __sum16; typedef __u32 __wsum;
typedef __u64 __aligned_u64 __attribute__((aligned(8)));
typedef unsigned long size_t; typedef long ssize_t; typedef unsigned long uintptr_t;
typedef int pid_t; typedef unsigned int uid_t; typedef unsigned int gid_t; typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)
#define __always_inline inline __attribute__((always_inline))
"""

_BPF_COMMON = """
#pragma once
#define BPF_CLASS(code) ((code) & 0x07)
#define BPF_LD 0x00
#define BPF_LDX 0x01
#define BPF_ST 0x02
#define BPF_STX 0x03
#define BPF_ALU 0x04
#define BPF_JMP 0x05
#define BPF_RET 0x06
#define BPF_MISC 0x07
#define BPF_SIZE(code) ((code) & 0x18)
#define BPF_W 0x00
#define BPF_H 0x08
#define BPF_B 0x10
#define BPF_MODE(code) ((code) & 0xe0)
#define BPF_IMM 0x00
#define BPF_ABS 0x20
#define BPF_IND 0x40
#define BPF_MEM 0x60
#define BPF_LEN 0x80
#define BPF_MSH 0xa0
#define BPF_OP(code) ((code) & 0xf0)
#define BPF_ADD 0x00
#define BPF_SUB 0x10
#define BPF_MUL 0x20
#define BPF_DIV 0x30
#define BPF_OR 0x40
#define BPF_AND 0x50
#define BPF_LSH 0x60
#define BPF_RSH 0x70
#define BPF_NEG 0x80
#define BPF_MOD 0x90
#define BPF_XOR 0xa0
#define BPF_JA 0x00
#define BPF_JEQ 0x10
#define BPF_JGT 0x20
#define BPF_JGE 0x30
#define BPF_JSET 0x40
#define BPF_SRC(code) ((code) & 0x08)
#define BPF_K 0x00
#define BPF_X 0x08
#define BPF_MAXINSNS 4096
"""

_EMPTY = (
    "linux/version.h",
    "linux/log2.h",
    *(f"uapi/linux/{name}.h" for name in ("bpf", "if_packet", "if_ether", "ptrace")),
)


def write(root: Path, release: str) -> None:
    """Write the headers below ``root`` for the kernel ``release`` (as ``uname -r`` prints it)."""
    major, minor = (int("".join(filter(str.isdigit, part)) or 0) for part in (release + ".0").split(".")[:2])
    files = dict.fromkeys(_EMPTY, "")
    files["linux/kconfig.h"] = _KCONFIG.format(major=major, minor=minor)
    files["linux/types.h"] = _TYPES
    files["linux/bpf_common.h"] = _BPF_COMMON
    files["asm/page.h"] = "#define PAGE_SIZE 4096UL\n"
    for name, text in files.items():
        path = root / "include" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
