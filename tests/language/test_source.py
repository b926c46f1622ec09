"""Which files of a folder are rules files."""

from pathlib import PurePath

from agent.language.source import rules_of_folder


def names(*given: str) -> list[str]:
    return [path.name for path in rules_of_folder(PurePath("/rules", name) for name in given)]


def test_a_folder_is_read_by_name() -> None:
    assert names("b.yaml", "a.yml", "c.txt", "README") == ["a.yml", "b.yaml"]


def test_the_test_cases_of_a_rules_file_are_no_rules() -> None:
    assert names("a.yaml", "a_test.yaml", "b.yml", "b_test.yaml") == ["a.yaml", "b.yml"]


def test_a_rules_file_that_is_only_named_like_test_cases_is_read() -> None:
    assert names("my_test.yaml", "a.yaml") == ["a.yaml", "my_test.yaml"]
