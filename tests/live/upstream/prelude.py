"""What an act has at hand. It runs in a process of its own, in an empty folder, as root."""

import ctypes
import fcntl  # noqa: F401
import os
import pty
import shutil
import signal
import socket
import struct  # noqa: F401
import subprocess
import time  # noqa: F401

libc = ctypes.CDLL(None, use_errno=True)
PYTHON = os.path.realpath("/usr/bin/python3")
TAR = "import subprocess; subprocess.run(['./tar', '-c', \"open('%s')\"], stdin=subprocess.DEVNULL)"
SSH_TO = "import socket; s = socket.socket(); s.settimeout(0); s.connect_ex(('203.0.113.7', %d))"
SHELL = "import subprocess; subprocess.run(['/bin/sh', '-c', 'true; true'])"


def program(name: str, of: str = "/bin/true") -> str:
    """A copy of a program under another name, so that proc.name is ``name``."""
    path = os.path.join(os.getcwd(), name)
    shutil.copy(of, path)
    os.chmod(path, 0o755)
    return path


def run(*argv: str, cwd: str | None = None, arg0: str | None = None) -> None:
    """Run a program to its end, whatever it answers."""
    subprocess.run(
        [arg0 or argv[0], *argv[1:]],
        executable=argv[0],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )


def python_as(name: str, code: str) -> None:
    """Run Python code in a process that is named ``name``."""
    run(program(name, PYTHON), "-c", code)


def on_terminal(*argv: str) -> None:
    """Run a program with a controlling terminal."""
    pid, master = pty.fork()
    if pid == 0:
        os.execv(argv[0], argv)
    try:
        while os.read(master, 1024):
            pass
    except OSError:
        pass  # the terminal is closed when its last program ends
    os.waitpid(pid, 0)


def touch(path: str, flags: int) -> None:
    """Open a file and close it, whether it is there or not."""
    try:
        os.close(os.open(path, flags, 0o600))
    except OSError:
        pass  # a failed open is an act as well


def ptrace(request: int, pid: int) -> None:
    """One ptrace call."""
    libc.ptrace(request, pid, None, None)


def with_sleeper(*requests: int) -> None:
    """Make ptrace calls on a child that sleeps."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
    for request in requests:
        ptrace(request, pid)
    os.kill(pid, signal.SIGKILL)


def connected_socket() -> socket.socket:
    """A TCP socket connected to a listener of this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    listener.close()
    return client


def own_network(address: str) -> None:
    """Leave for a network namespace that has only a loopback with ``address``."""
    os_unshare(0x40000000)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", address + "/32", "dev", "lo"], check=True)


def own_mounts() -> None:
    """Leave for a mount namespace whose mounts nobody else sees."""
    os_unshare(0x20000)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def os_unshare(flags: int) -> None:
    """unshare(2); Python has it from 3.12."""
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def overlay() -> str:
    """Mount an overlay over a copy of /bin/true; return the folder of the mount."""
    own_mounts()
    subprocess.run(["mount", "-t", "tmpfs", "none", "."], check=True)
    os.chdir(os.getcwd())  # into the new mount
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(name)
    shutil.copy("/bin/true", "lower/old")
    options = "lowerdir=lower,upperdir=upper,workdir=work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, "merged"], check=True)
    shutil.copy("/bin/true", "merged/new")
    return os.path.abspath("merged")


def memfd_of(path: str) -> int:
    """A memfd with the content of a file."""
    fd = os.memfd_create("payload", 0)
    with open(path, "rb") as source:
        os.write(fd, source.read())
    return fd


def cover(path: str) -> None:
    """Cover a folder with an empty one, in a mount namespace of our own."""
    own_mounts()
    subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)


def own_root(name: str) -> None:
    """Leave for a root folder that has nothing but the empty folder ``name``."""
    os.makedirs("root/" + name)
    os.chroot("root")


def tcp_to(address: str, port: int) -> None:
    """Connect by TCP, without waiting for an answer."""
    client = socket.socket()
    client.settimeout(0)
    client.connect_ex((address, port))


def udp_to(address: str, port: int) -> str:
    """Python code that connects a UDP socket."""
    return f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(({address!r}, {port}))"


def listen_on(address: str) -> str:
    """Python code that accepts a connection of its own on ``address``."""
    return (
        f"import socket; s = socket.create_server(({address!r}, 0)); "
        "c = socket.create_connection(s.getsockname()); s.accept()"
    )


def receive(data: bytes) -> str:
    """Python code that receives ``data`` on a TCP connection of its own."""
    return (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); "
        f"c = socket.create_connection(s.getsockname()); s.accept()[0].send({data!r}); c.recv(100)"
    )
