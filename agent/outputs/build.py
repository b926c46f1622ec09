"""The outputs that a configuration asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.alert import Alert
from agent.alert_line import LineFormat, json_line, text_line
from agent.config import Config
from agent.outputs.lines import File, Program, Stdout, Syslog
from agent.outputs.queued import CAPACITY, Queued, Sink


def line_format(config: Config) -> LineFormat:
    """Return the shape of lines that the configuration asks for."""
    return LineFormat(
        json_include_output=config.json_include_output_property,
        json_include_message=config.json_include_message_property,
        json_include_tags=config.json_include_tags_property,
        json_include_output_fields=config.json_include_output_fields_property,
        time_format_iso_8601=config.time_format_iso_8601,
    )


def build_outputs(config: Config) -> list[Queued]:
    """Return the outputs, each with its thread running."""
    capacity = config.outputs_queue.capacity or CAPACITY
    return [Queued(sink, capacity) for sink in _sinks(config)]


def _sinks(config: Config) -> list[Sink]:
    shape = line_format(config)
    as_json = _line(json_line, shape)
    line = as_json if config.json_output else _line(text_line, shape)
    sinks: list[Sink] = []
    if config.stdout_output.enabled:
        sinks.append(Stdout(line))
    if config.file_output.enabled:
        sinks.append(File(line, Path(config.file_output.filename), keep_alive=config.file_output.keep_alive))
    if config.syslog_output.enabled:
        sinks.append(Syslog(line))
    if config.program_output.enabled:
        program = config.program_output
        sinks.append(Program(line, program.program, keep_alive=program.keep_alive))
    if config.http_output.enabled:
        sinks.append(_http(config, as_json))
    return sinks


def _line(form: Callable[[Alert, LineFormat], str], shape: LineFormat) -> Callable[[Alert], str]:
    return lambda alert: form(alert, shape)


def _http(config: Config, line: Callable[[Alert], str]) -> Sink:
    from agent.outputs.http import (
        Http,
        HttpSettings,
        authorities,
    )  # requests costs 10 MB where it is not used

    http = config.http_output
    settings = HttpSettings(
        url=http.url,
        user_agent=http.user_agent,
        verify=False if http.insecure else authorities(http.ca_cert, http.ca_bundle, http.ca_path),
        certificate=(http.client_cert, http.client_key) if http.mtls else None,
        echo=http.echo,
        compress=http.compress_uploads,
        keep_alive=http.keep_alive,
    )
    return Http(line, settings)
