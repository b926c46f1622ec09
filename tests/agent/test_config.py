"""falco.yaml: typed settings, or problems that say where."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent import config
from agent.config import read as reading
from agent.config import settings as config_settings
from agent.config.environment import expand
from agent.config.option import key_path
from agent.config.problem import NOTICE, WARNING

FALCO = Path(os.environ.get("TERCEL_FALCO_DATA", Path(__file__).parents[3] / "shared/falco"))


def read(
    folder: Path, text: str, options: tuple[str, ...] = (), environment: dict[str, str] | None = None
) -> reading.Loaded:
    file = folder / "falco.yaml"
    file.write_text(text)
    return reading.read(file, options, environment)


def errors(folder: Path, text: str, *options: str) -> str:
    with pytest.raises(config.ConfigError) as caught:
        read(folder, text, options)
    return str(caught.value).replace(str(folder) + "/", "")


def test_an_empty_file_means_falcos_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path, "").config
    assert settings.rule_matching == "first"
    assert settings.priority == "Debug"
    assert settings.json_include_tags_property is True
    assert settings.syscall_event_drops.threshold == 0.1


def test_values_are_read_by_their_key_s_type(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "json_output: 'yes'\npriority: info\nrules_files: one.yaml\nstatic_fields: {port: 8080}\n"
        "file_output: {enabled: on, filename: 7}\nsyscall_event_drops: {threshold: .5}\n",
    ).config
    assert settings.json_output is True
    assert settings.priority == "Informational"
    assert settings.rules_files == ("one.yaml",)
    assert settings.static_fields == {"port": "8080"}
    assert settings.file_output.filename == "7"
    assert settings.syscall_event_drops.threshold == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("json_output: 7\n", "falco.yaml:1:14: error: json_output must be true or false, not '7'"),
        (
            "\nfile_output:\n  enabled: [a]\n",
            "falco.yaml:3:12: error: file_output.enabled must be true or false",
        ),
        ("webserver: no\n", "falco.yaml:1:12: error: webserver must be a map, not 'no'"),
        ("webserver: {listen_port: 99999}", "falco.yaml:1:26: error: webserver.listen_port must be a port"),
        ("webserver: {listen_address: localhost}", "must be an IPv4 or IPv6 address"),
        ("priority: loud\n", "falco.yaml:1:11: error: priority must be one of emergency"),
        ("rule_matching: both\n", "must be one of first, all"),
        ("syscall_event_drops: {actions: [panic]}", "falco.yaml:1:33: error: syscall_event_drops.actions"),
        ("outputs_queue: {capacity: -1}", "must not be negative"),
        ("a: [b\n", "falco.yaml:2:1: error: not YAML"),
        ("- a\n", "falco.yaml:1:1: error: a configuration is a map"),
        ("rules: [{enable: {rule: a}, disable: {rule: b}}]", "rules[0] must have one of enable and disable"),
        ("file_output: {enabled: true}", "file_output is enabled but has no filename"),
        ("plugins: &a [*a]", "endless"),
        ("config_files: [{path: x, strategy: y}]", "strategy must be one of"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert message in errors(tmp_path, text)


def test_every_error_is_reported_at_once(tmp_path: Path) -> None:
    assert errors(tmp_path, "json_output: 7\npriority: loud\n").count("error:") == 2


def test_aliases_cannot_make_a_document_explode(tmp_path: Path) -> None:
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "too large" in errors(tmp_path, "\n".join(layers))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match=r"nothing\.yaml: error: cannot be read"):
        reading.read(tmp_path / "nothing.yaml")


def test_an_unknown_key_warns(tmp_path: Path) -> None:
    problems = read(tmp_path, "stdout_output: {enabled: true, colour: red}\n").problems
    assert [str(each).partition("falco.yaml")[2] for each in problems if each.severity == WARNING] == [
        ":1:40: warning: unknown key stdout_output.colour: it has no effect"
    ]


def test_keys_without_effect_give_one_notice(tmp_path: Path) -> None:
    problems = read(tmp_path, "engine: {kind: kmod}\nbase_syscalls: {all: true}\nplugins: []\n").problems
    (notice,) = [each for each in problems if each.severity == NOTICE]
    assert "engine" in notice.message
    assert "base_syscalls" in notice.message
    assert "plugins" not in notice.message


def test_a_key_that_is_given_twice_counts_once_and_warns(tmp_path: Path) -> None:
    loaded = read(tmp_path, "json_output: true\njson_output: false\n")
    assert loaded.config.json_output is True
    assert any("given twice" in each.message for each in loaded.problems)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "1"),
        ("x${A}y${A}z", "x1y1z"),
        ("$A", "$A"),
        ("$${A}", "${A}"),
        ("${NOPE}", ""),
        ("${DEEP}", "<1>"),
        ("${", "${"),
    ],
)
def test_environment_variables_in_values(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "DEEP": "<${A}>"}) == expected


def test_a_variable_that_leads_back_to_itself_is_an_error() -> None:
    with pytest.raises(ValueError, match="refers to itself"):
        expand("${A}", {"A": "${B}", "B": "${A}"})


def test_environment_reaches_every_value(tmp_path: Path) -> None:
    loaded = read(tmp_path, "json_output: ${J}\nrules_files: ['${D}/a.yaml']\n", (), {"J": "true", "D": "/x"})
    assert loaded.config.json_output is True
    assert loaded.config.rules_files == ("/x/a.yaml",)


def test_options_come_last(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "rules_files: [a]\nfile_output: {enabled: false}\n",
        (
            "file_output.enabled=true",
            "file_output.filename=/tmp/x=y",
            "rules_files[]=b",
            "rules_files[0]=z",
            'append_output[]={"extra_output": "e", "match": {"tags": ["t"]}}',
            "static_fields.a\\.b=c",
        ),
    ).config
    assert settings.file_output.filename == "/tmp/x=y"
    assert settings.rules_files == ("z", "b")
    assert settings.append_output[0].match.tags == ("t",)
    assert settings.static_fields == {"a.b": "c"}


@pytest.mark.parametrize("option", ["json_output", "=x", "a..b=1", "rules_files[7]=x", "a[]b=1"])
def test_an_option_that_makes_no_sense_is_named(tmp_path: Path, option: str) -> None:
    assert f"-o {option}: error:" in errors(tmp_path, "rules_files: [a]\n", option)


def test_a_wrong_type_in_an_option_names_the_option(tmp_path: Path) -> None:
    assert "-o json_output=7: error: json_output must be" in errors(tmp_path, "", "json_output=7")


def test_key_paths() -> None:
    assert key_path("a.b[2].c") == ["a", "b", 2, "c"]
    assert key_path(r"a\.b\[0\]") == ["a.b[0]"]
    assert key_path(r"back\\slash") == ["back\\slash"]


def test_further_files_are_laid_over_the_main_one(tmp_path: Path) -> None:
    folder = tmp_path / "config.d"
    folder.mkdir()
    (folder / "2.yaml").write_text("rules_files: [c]\nfile_output: {filename: other}\n")
    (folder / "1.yaml").write_text("rules_files: [b]\n")
    (folder / "ignored.txt").write_text("rules_files: [x]\n")
    loaded = read(
        tmp_path,
        f"config_files: [{folder}]\nrules_files: [a]\nfile_output: {{filename: f, keep_alive: true}}\n",
    )
    assert loaded.config.rules_files == ("a", "b", "c")
    assert loaded.config.file_output == config_settings.FileOutput(filename="other")
    assert [path.name for path, _ in loaded.files] == ["falco.yaml", "1.yaml", "2.yaml"]


@pytest.mark.parametrize(
    ("strategy", "expected"), [("append", ("a", "b")), ("override", ("b",)), ("add-only", ("a",))]
)
def test_merge_strategies(tmp_path: Path, strategy: str, expected: tuple[str, ...]) -> None:
    (tmp_path / "other.yaml").write_text("rules_files: [b]\n")
    text = f"config_files: [{{path: {tmp_path}/other.yaml, strategy: {strategy}}}]\nrules_files: [a]\n"
    assert read(tmp_path, text).config.rules_files == expected


def test_the_main_file_cannot_include_itself_nor_others_nest(tmp_path: Path) -> None:
    assert "cannot include itself" in errors(tmp_path, f"config_files: [{tmp_path}/falco.yaml]\n")
    (tmp_path / "other.yaml").write_text("config_files: [x]\n")
    assert "other.yaml:1:15: error: config_files cannot be nested" in errors(
        tmp_path, f"config_files: [{tmp_path}/other.yaml]\n"
    )


def test_the_file_that_falco_ships_is_accepted() -> None:
    if not FALCO.exists():
        pytest.skip(f"Falco's data is not at {FALCO}: set TERCEL_FALCO_DATA")
    loaded = reading.read(FALCO / "falco.yaml")
    assert loaded.config.rules_files[0] == "/etc/falco/falco_rules.yaml"
    assert [each for each in loaded.problems if "unknown" in each.message] == []
