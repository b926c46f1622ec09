"""For every rule of the upstream incubating ruleset: an act that must fire it, a near miss that must not."""

from tests.live.upstream.act import WRITE, Act, pair

NOT_HERE = {
    "Launch Privileged Container": "needs a privileged container, which this runtime refuses",
    "Mount Launched in Privileged Container": "needs a privileged container, which this runtime refuses",
    "Network Connection outside Local Subnet": "watches Kubernetes namespaces of a list that is empty",
}
"""Rules that this kind of machine cannot act out, and why."""

ROOT_HOME = 'cover("/root"); os.mkdir("/root/.ssh")\n'

ACTS: list[Act] = [
    *pair("Modify Shell Configuration File", f'touch(".bashrc", {WRITE})', f'touch("bashrc", {WRITE})'),
    *pair(
        "Schedule Cron Jobs",
        f'cover("/etc/cron.d"); touch("/etc/cron.d/job", {WRITE})',
        'cover("/etc/cron.d"); touch("/etc/cron.d/job", os.O_RDONLY)',
    ),
    Act("Schedule Cron Jobs", fires=True, code='run(program("crontab"), "-l")'),
    *pair(
        "Read ssh information",
        ROOT_HOME + 'os.listdir("/root/.ssh")',
        ROOT_HOME + 'os.listdir("/root")',
    ),
    Act(
        "Read ssh information",
        fires=False,
        code=ROOT_HOME + 'run(program("ssh-keygen", "/bin/ls"), "/root/.ssh")',
        note="a program that the rule trusts",
    ),
    *pair(
        "DB program spawned process",
        'python_as("mysqld", "import subprocess; subprocess.run([\'/bin/true\'])")',
        'python_as("mysqlx", "import subprocess; subprocess.run([\'/bin/true\'])")',
    ),
    *pair(
        "Change thread namespace",
        'libc.setns(os.open("/proc/self/ns/uts", os.O_RDONLY), 0)',
        "os_unshare(0x04000000)",
    ),
    *pair(
        "Change namespace privileges via unshare",
        "subprocess.run(['/usr/bin/unshare', '-n', 'true'], user=1)",
        "libc.unshare(0x04000000)",
        container=True,
    ),
    *pair(
        "Launch Excessively Capable Container",
        'os_unshare(0x20000000); run("/bin/true")',
        'run("/bin/true")',
        container=True,
    ),
    *pair(
        "System procs network activity",
        'own_network("203.0.113.8"); run(program("cat", PYTHON), "-c", udp_to("203.0.113.8", 53))',
        'own_network("203.0.113.8"); run(program("webapp", PYTHON), "-c", udp_to("203.0.113.8", 53))',
    ),
    *pair(
        "Program run with disallowed http proxy env",
        'os.environ["HTTP_PROXY"] = "http://203.0.113.1"; run(program("curl"))',
        'run(program("curl"))',
    ),
    *pair(
        "Unexpected UDP Traffic",
        'own_network("203.0.113.8"); exec(udp_to("203.0.113.8", 9998))',
        'own_network("203.0.113.8"); exec(udp_to("203.0.113.8", 53))',
    ),
    *pair(
        "Non sudo setuid",
        "os.setuid(1); os.setuid(1)",
        "os.setuid(0)",
    ),
    *pair(
        "User mgmt binaries",
        'run(program("useradd"), "eve")',
        'run(program("passwd"), "-S", "eve")',
    ),
    *pair(
        "Create files below dev",
        f'touch("/dev/tercel-act", {WRITE}); os.unlink("/dev/tercel-act")',
        f'touch("/dev/null", {WRITE})',
    ),
    *pair(
        "Contact EC2 Instance Metadata Service From Container",
        'own_network("169.254.169.254"); tcp_to("169.254.169.254", 80)',
        'own_network("169.254.169.253"); tcp_to("169.254.169.253", 80)',
        container=True,
    ),
    *pair(
        "Contact cloud metadata service from container",
        'own_network("169.254.169.254"); tcp_to("169.254.169.254", 80)',
        'own_network("169.254.169.254"); tcp_to("169.254.169.254", 80)',
        container=True,
        miss_container=False,
    ),
    *pair(
        "Launch Package Management Process in Container",
        'run(program("apt"), "install", "x")',
        'run(program("apt"), "install", "x")',
        container=True,
        miss_container=False,
    ),
    *pair(
        "Launch Suspicious Network Tool in Container",
        'run(program("nmap"))',
        'run(program("nmapx"))',
        container=True,
    ),
    *pair(
        "Launch Suspicious Network Tool on Host",
        'run(program("nmap"))',
        'run(program("nmap"))',
        miss_container=True,
    ),
    *pair(
        "Delete or rename shell history",
        f'touch(".bash_history", {WRITE}); os.unlink(".bash_history")',
        f'touch("history", {WRITE}); os.unlink("history")',
    ),
    Act(
        "Delete or rename shell history",
        fires=True,
        code=f'touch(".zsh_history", {WRITE}); os.rename(".zsh_history", "x")',
    ),
    Act("Delete or rename shell history", fires=True, code=f'touch(".bash_history", {WRITE} | os.O_TRUNC)'),
    *pair(
        "Set Setuid or Setgid bit",
        f'touch("f", {WRITE}); os.chmod("f", 0o4755)',
        f'touch("f", {WRITE}); os.chmod("f", 0o755)',
    ),
    Act(
        "Set Setuid or Setgid bit",
        fires=True,
        code=f'touch("f", {WRITE}); os.fchmod(os.open("f", 0), 0o2755)',
    ),
    *pair(
        "Launch Remote File Copy Tools in Container",
        'run(program("rsync"))',
        'run(program("rsync"))',
        container=True,
        miss_container=False,
    ),
    *pair(
        "Launch Ingress Remote File Copy Tools in Container",
        'run(program("curl"), "-o", "x", "http://203.0.113.1")',
        'run(program("curl"), "http://203.0.113.1")',
        container=True,
    ),
    *pair(
        "Read environment variable from /proc files",
        'open("/proc/self/environ")',
        'open("/proc/self/status")',
        container=True,
    ),
    *pair(
        "Exfiltrating Artifacts via Kubernetes Control Plane",
        'program("tar", PYTHON); open("data", "w"); run(program("runc", PYTHON), "-c", TAR % "data")',
        'program("tar", PYTHON); run(program("runc", PYTHON), "-c", TAR % "/etc/hostname")',
        container=True,
    ),
    *pair(
        "Adding ssh keys to authorized_keys",
        ROOT_HOME + f'touch("/root/.ssh/authorized_keys", {WRITE})',
        ROOT_HOME + f'touch("/root/.ssh/known_hosts", {WRITE})',
    ),
    *pair(
        "Potential Local Privilege Escalation via Environment Variables Misuse",
        'os.environ["GLIBC_TUNABLES"] = "glibc.malloc.check=1"; run("/bin/true")',
        'os.environ["GLIBC"] = "1"; run("/bin/true")',
    ),
    *pair(
        "Backdoored library loaded into SSHD (CVE-2024-3094)",
        'open("liblzma.so.5.6.1", "w"); python_as("sshd", "open(\'liblzma.so.5.6.1\')")',
        'open("liblzma.so.5.6.2", "w"); python_as("sshd", "open(\'liblzma.so.5.6.2\')")',
    ),
    *pair("BPF Program Not Profiled", "libc.syscall(321, 5, None, 0)", "libc.syscall(321, 1, None, 0)"),
]
