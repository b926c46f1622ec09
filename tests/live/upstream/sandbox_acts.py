"""For the rules of the upstream sandbox ruleset: an act that must fire it, a near miss that must not."""

from tests.live.upstream.act import WRITE, Act, pair

NOT_HERE = {
    "Detect outbound connections to common miner pool ports": "needs a name server that knows the pools",
    "Launch Sensitive Mount Container": "needs a container runtime that tells its mounts",
    "Launch Disallowed Container": "allows every container until its macro is overridden",
    "Modify Container Entrypoint": "needs a container runtime's own entrypoint",
    "Unexpected inbound connection source": "resolves names of its lists",
}
"""Rules that are not acted out here, and why."""

WEB = 'python_as("nginx", "import subprocess; subprocess.run(%s)")'

ACTS: list[Act] = [
    *pair(
        "Read Shell Configuration File", 'open(".bashrc", "w"); open(".bashrc")', 'open("x", "w"); open("x")'
    ),
    *pair(
        "Update Package Repository",
        f'cover("/etc/apt/sources.list.d"); touch("/etc/apt/sources.list.d/x.list", {WRITE})',
        'cover("/etc/apt/sources.list.d"); touch("/etc/apt/sources.list.d/x", os.O_RDONLY)',
    ),
    *pair(
        "Write below binary dir",
        f'cover("/usr/sbin"); touch("/usr/sbin/x", {WRITE})',
        'touch("/usr/bin/true", os.O_RDONLY)',
    ),
    *pair(
        "Write below monitored dir",
        f'cover("/boot"); touch("/boot/x", {WRITE})',
        'cover("/boot"); touch("/boot/x", os.O_RDONLY)',
    ),
    *pair(
        "Write below etc",
        f'cover("/etc/cron.d"); touch("/etc/cron.d/x", {WRITE})',
        'touch("/etc/hostname", os.O_RDONLY)',
    ),
    *pair(
        "Write below root",
        f'cover("/root"); touch("/root/x", {WRITE})',
        f'cover("/root"); touch("/root/.bash_history", {WRITE})',
    ),
    *pair(
        "Write below rpm database",
        f'cover("/var/lib"); os.mkdir("/var/lib/rpm"); touch("/var/lib/rpm/x", {WRITE})',
        f'cover("/var/lib"); os.mkdir("/var/lib/rp"); touch("/var/lib/rp/x", {WRITE})',
    ),
    *pair(
        "Modify binary dirs",
        f'cover("/usr/sbin"); touch("/usr/sbin/x", {WRITE}); os.unlink("/usr/sbin/x")',
        f'touch("x", {WRITE}); os.unlink("x")',
    ),
    *pair(
        "Mkdir binary dirs",
        'cover("/usr/sbin"); os.mkdir("/usr/sbin/x")',
        'os.mkdir("sbin")',
    ),
    *pair(
        "Interpreted procs outbound network activity",
        'own_network("203.0.113.9"); run(program("python3", PYTHON), "-c", udp_to("203.0.113.9", 53))',
        'own_network("203.0.113.9"); run(program("webapp", PYTHON), "-c", udp_to("203.0.113.9", 53))',
    ),
    *pair(
        "Interpreted procs inbound network activity",
        'own_network("203.0.113.9"); run(program("python3", PYTHON), "-c", listen_on("203.0.113.9"))',
        'own_network("203.0.113.9"); run(program("webapp", PYTHON), "-c", listen_on("203.0.113.9"))',
    ),
    *pair(
        "Unexpected K8s NodePort Connection",
        'own_network("203.0.113.9"); exec(udp_to("203.0.113.9", 30001))',
        'own_network("203.0.113.9"); exec(udp_to("203.0.113.9", 29999))',
        container=True,
    ),
    *pair("Create Hidden Files or Directories", 'os.mkdir(".x")', 'os.mkdir("x")'),
    Act("Create Hidden Files or Directories", fires=True, code='open("x", "w"); os.rename("x", ".x")'),
    *pair(
        "Detect crypto miners using the Stratum protocol",
        'run("/bin/true", "-o", "stratum+tcp://pool:3333")',
        'run("/bin/true", "-o", "http://pool:3333")',
    ),
    *pair(
        "Kubernetes Client Tool Launched in Container",
        'run(program("kubectl"))',
        'run(program("kubectl"))',
        container=True,
        miss_container=False,
    ),
    *pair(
        "Container Drift Detected (chmod)",
        'open("x", "w"); os.chmod("x", 0o755)',
        'open("x", "w"); os.chmod("x", 0o644)',
        container=True,
    ),
    *pair(
        "Container Drift Detected (open+create)",
        "os.open('x', os.O_CREAT | os.O_WRONLY, 0o755)",
        "os.open('x', os.O_CREAT | os.O_WRONLY, 0o644)",
        container=True,
    ),
    *pair(
        "Container Run as Root User",
        'os_unshare(0x20000000); run("/bin/true")',
        'run("/bin/true")',
        container=True,
    ),
    *pair(
        "Sudo Potential Privilege Escalation",
        'run(program("sudoedit"), "-s", "x\\\\")',
        'run(program("sudoedit"), "-s", "x")',
    ),
    *pair(
        "Unprivileged Delegation of Page Faults Handling to a Userspace Process",
        "os.setuid(1); libc.syscall(323, 1)",
        "libc.syscall(323, 1)",
    ),
    *pair(
        "Polkit Local Privilege Escalation Vulnerability (CVE-2021-4034)",
        'run(program("pkexec"))',
        'run(program("pkexec"), "true")',
    ),
    *pair(
        "Java Process Class File Download",
        'run(program("java", PYTHON), "-c", receive(b"\\xca\\xfe\\xba\\xbe0000"))',
        'run(program("java", PYTHON), "-c", receive(b"\\xca\\xfe\\xba00000"))',
    ),
    *pair(
        "Decoding Payload in Container",
        'run(program("base64"), "-d")',
        'run(program("base64"))',
        container=True,
    ),
    *pair(
        "Basic Interactive Reconnaissance",
        'on_terminal(program("whoami"))',
        'run(program("whoami"))',
    ),
    *pair(
        "Netcat/Socat Remote Code Execution on Host",
        'run(program("socat"), "-", "EXEC:/bin/sh")',
        'run(program("socat"), "-", "TCP:x")',
    ),
    *pair(
        "Network Tool Executed During NPM Package Install",
        'run(program("npm", PYTHON), "-c", "import subprocess; subprocess.run([%r])" % program("nmap"))',
        'run(program("node2", PYTHON), "-c", "import subprocess; subprocess.run([%r])" % program("nmap"))',
        container=True,
    ),
    *pair("Known Cryptominer Process Executed", 'run(program("xmrig"))', 'run(program("xmrigs"))'),
    *pair(
        "Web Server Spawned Shell",
        WEB % "['/bin/bash', '-c', 'true; true']",
        "python_as(\"webapp\", \"import subprocess; subprocess.run(['/bin/bash', '-c', 'true; true'])\")",
    ),
    *pair(
        "Web Server Spawned Suspicious Child Process",
        WEB % "['/usr/bin/whoami']",
        WEB % "['/bin/true']",
    ),
    *pair(
        "Reverse Shell from Web Server",
        WEB % "['/bin/bash', '-c', 'true; true /dev/tcp/203.0.113.1/1']",
        WEB % "['/bin/bash', '-c', 'true; true /dev/null']",
    ),
    *pair(
        "Privileged Container Device Access",
        'touch("/dev/sdzz-act", os.O_RDWR | os.O_CREAT); os.unlink("/dev/sdzz-act")',
        'touch("/dev/null", os.O_RDWR)',
        container=True,
    ),
    *pair(
        "Container Access to Host Sensitive Paths",
        'own_root("host"); touch("/host/x", os.O_RDWR | os.O_CREAT)',
        'own_root("hosts"); touch("/hosts/x", os.O_RDWR | os.O_CREAT)',
        container=True,
    ),
]
