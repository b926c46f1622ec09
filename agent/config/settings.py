"""The keys of ``falco.yaml``, their types and Falco's defaults (of the file that it ships).

The dataclasses are the schema: :mod:`agent.config.typed` reads each field by its annotation.
:data:`WITHOUT_EFFECT` says which keys are accepted but do nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from agent.alert import PRIORITIES

JsonMap = dict[str, Any]


@dataclass(frozen=True)
class Able:
    """What a selection of ``rules`` is about: rules by name pattern, or by tag."""

    rule: Optional[str] = None  # noqa: UP045 - evaluated at run time, on Python 3.9
    tag: Optional[str] = None  # noqa: UP045


@dataclass(frozen=True)
class RuleSelection:
    """One entry of ``rules``."""

    enable: Optional[Able] = None  # noqa: UP045
    disable: Optional[Able] = None  # noqa: UP045


@dataclass(frozen=True)
class AppendMatch:
    """Which rules an entry of ``append_output`` is for."""

    rule: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class AppendOutput:
    """One entry of ``append_output``."""

    match: AppendMatch = field(default_factory=AppendMatch)
    extra_output: str = ""
    extra_fields: tuple[Any, ...] = ()
    """Each a field's name, or a map of one key to a format."""
    suggested_output: bool = False


@dataclass(frozen=True)
class OutputsQueue:
    """``outputs_queue``."""

    capacity: int = 0
    """Alerts waiting per output; 0 means the agent's own bound."""


@dataclass(frozen=True)
class Output:
    """``stdout_output``, ``syslog_output``."""

    enabled: bool = False


@dataclass(frozen=True)
class FileOutput:
    """``file_output``."""

    enabled: bool = False
    keep_alive: bool = False
    filename: str = ""


@dataclass(frozen=True)
class ProgramOutput:
    """``program_output``."""

    enabled: bool = False
    keep_alive: bool = False
    program: str = ""


@dataclass(frozen=True)
class HttpOutput:
    """``http_output``."""

    enabled: bool = False
    url: str = ""
    user_agent: str = "falcosecurity/falco"
    insecure: bool = False
    ca_cert: str = ""
    ca_bundle: str = ""
    ca_path: str = ""
    mtls: bool = False
    client_cert: str = ""
    client_key: str = ""
    echo: bool = False
    compress_uploads: bool = False
    keep_alive: bool = False
    max_consecutive_timeouts: int = 5


@dataclass(frozen=True)
class Webserver:
    """``webserver``."""

    enabled: bool = False
    threadiness: int = 0
    listen_port: int = 8765
    listen_address: str = "0.0.0.0"  # noqa: S104 - Falco's default
    k8s_healthz_endpoint: str = "/healthz"
    prometheus_metrics_enabled: bool = False
    ssl_enabled: bool = False
    ssl_certificate: str = ""


@dataclass(frozen=True)
class LibsLogger:
    """``libs_logger``."""

    enabled: bool = False
    severity: str = "info"


@dataclass(frozen=True)
class EventDrops:
    """``syscall_event_drops``."""

    threshold: float = 0.1
    """Share of events lost in a second from which on the actions are taken, 0 to 1."""
    actions: tuple[str, ...] = ("log", "alert")
    rate: float = 0.03333
    """Actions per second that fill the bucket again."""
    max_burst: int = 1
    simulate_drops: bool = False


@dataclass(frozen=True)
class EventTimeouts:
    """``syscall_event_timeouts``."""

    max_consecutives: int = 1000


@dataclass(frozen=True)
class Metrics:
    """``metrics``."""

    enabled: bool = False
    interval: str = "1h"
    output_rule: bool = True
    output_file: str = ""
    rules_counters_enabled: bool = True
    resource_utilization_enabled: bool = True
    state_counters_enabled: bool = True
    kernel_event_counters_enabled: bool = True
    kernel_event_counters_per_cpu_enabled: bool = False
    libbpf_stats_enabled: bool = True
    plugins_metrics_enabled: bool = True
    kernel_iter_event_counters_enabled: bool = True
    jemalloc_stats_enabled: bool = False
    convert_memory_to_mb: bool = True
    include_empty_values: bool = False


@dataclass(frozen=True)
class BaseSyscalls:
    """``base_syscalls``."""

    custom_set: tuple[str, ...] = ()
    repair: bool = False
    all: bool = False


@dataclass(frozen=True)
class Tercel:
    """``tercel``: what only this agent knows. Not a key of Falco's."""

    own_pid_namespace: bool = False
    """Capture only processes that the agent's own pid namespace sees: several agents share a kernel."""


@dataclass(frozen=True)
class Config:
    """All of ``falco.yaml``."""

    config_files: tuple[Any, ...] = ()
    watch_config_files: bool = True
    rules_files: tuple[str, ...] = ()
    rules: tuple[RuleSelection, ...] = ()
    engine: JsonMap = field(default_factory=dict)
    capture: JsonMap = field(default_factory=dict)
    load_plugins: tuple[str, ...] = ()
    plugins: tuple[JsonMap, ...] = ()
    plugins_hostinfo: bool = True
    container_engines: JsonMap = field(default_factory=dict)
    time_format_iso_8601: bool = False
    buffer_format_base64: bool = False
    priority: str = "Debug"
    json_output: bool = False
    json_include_output_property: bool = True
    json_include_message_property: bool = False
    json_include_output_fields_property: bool = True
    json_include_tags_property: bool = True
    buffered_outputs: bool = False
    rule_matching: str = "first"
    outputs_queue: OutputsQueue = field(default_factory=OutputsQueue)
    append_output: tuple[AppendOutput, ...] = ()
    static_fields: dict[str, str] = field(default_factory=dict)
    stdout_output: Output = field(default_factory=Output)
    syslog_output: Output = field(default_factory=Output)
    file_output: FileOutput = field(default_factory=FileOutput)
    http_output: HttpOutput = field(default_factory=HttpOutput)
    program_output: ProgramOutput = field(default_factory=ProgramOutput)
    webserver: Webserver = field(default_factory=Webserver)
    log_stderr: bool = True
    log_syslog: bool = False
    log_level: str = "info"
    libs_logger: LibsLogger = field(default_factory=LibsLogger)
    output_timeout: int = 2000
    """Milliseconds."""
    syscall_event_timeouts: EventTimeouts = field(default_factory=EventTimeouts)
    syscall_event_drops: EventDrops = field(default_factory=EventDrops)
    metrics: Metrics = field(default_factory=Metrics)
    base_syscalls: BaseSyscalls = field(default_factory=BaseSyscalls)
    falco_libs: JsonMap = field(default_factory=dict)
    tercel: Tercel = field(default_factory=Tercel)


ALIASES = {"rules_file": "rules_files"}
"""Other names of keys, as Falco accepts them."""

LOG_LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug", "trace")

CHOICES: dict[str, tuple[str, ...]] = {
    "rule_matching": ("first", "all"),
    "log_level": LOG_LEVELS,
    "libs_logger.severity": ("fatal", *LOG_LEVELS[2:]),
    "syscall_event_drops.actions": ("ignore", "log", "alert", "exit"),
    "priority": (*(name.lower() for name in PRIORITIES), "info"),
}
"""Values that a key may have, in lower case."""

WITHOUT_EFFECT: dict[str, str] = {
    "engine": "the agent has one way to capture, its own eBPF programs",
    "capture": "no capture files are written",
    "load_plugins": "no plugins are loaded; container fields are built in",
    "plugins": "no plugins are loaded; container fields are built in",
    "plugins_hostinfo": "no plugins are loaded",
    "container_engines": "container runtimes are found by themselves",
    "buffer_format_base64": "not supported yet",
    "buffered_outputs": "every line is written at once",
    "libs_logger": "there is no separate library log",
    "webserver": "not supported yet: nothing listens",
    "metrics": "not supported yet: see tercel-agent status --json",
    "output_timeout": "a stuck output loses alerts of its own, counted, and stops nothing else",
    "syscall_event_timeouts": "a silent source is no error: only what rules need is captured",
    "base_syscalls": "events carry what they need: no further system calls are captured",
    "falco_libs": "there is no thread table",
}
"""Top-level keys that are accepted but do nothing here, and why."""
