"""What is unused is judged by all files together; each file's own result keeps Falco's view."""

from agent.language import RulesFile, load

COMMON = RulesFile(
    "common.yaml",
    b"- macro: opened\n  condition: evt.type = open\n"
    b"- macro: forgotten\n  condition: evt.type = close\n"
    b"- list: names\n  items: [a]\n",
)
RULES = RulesFile(
    "rules.yaml",
    b"- rule: R\n  desc: d\n  condition: opened and proc.name in (names)\n  output: o\n  priority: Error\n",
)


def test_what_a_later_file_uses_is_not_called_unused() -> None:
    loaded = load([COMMON, RULES])
    assert [(item.code, item.place.human()) for item in loaded.diagnostics] == [("LOAD_UNUSED_MACRO", "3:3")]


def test_each_file_alone_is_judged_as_falco_does() -> None:
    first, second = load([COMMON, RULES]).files
    assert [item.code for item in first.diagnostics] == [
        "LOAD_UNUSED_MACRO",
        "LOAD_UNUSED_MACRO",
        "LOAD_UNUSED_LIST",
    ]
    assert [item.code for item in second.diagnostics] == ["LOAD_UNUSED_MACRO"]
