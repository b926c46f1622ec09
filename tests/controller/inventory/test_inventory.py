from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from controller.errors import InventoryError
from controller.inventory import Inventory, load, select

EXAMPLE = Path(__file__).parents[3] / "inventory.example.yml"
SMALL = """
    all:
      vars: {level: all, ansible_user: ops}
      hosts:
        lone:
      children:
        web:
          hosts:
            web[01:03]:
            web03: {level: host}
          vars: {level: web}
        db:
          hosts: {db1: {ansible_host: 10.0.0.9, ansible_port: 2222}}
        prod:
          vars: {level: prod, only_prod: 1}
          children: {web: , db: }
"""


def write(folder: Path, text: str, name: str = "inventory.yml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text).lstrip("\n"))
    return path


@pytest.fixture
def small(tmp_path: Path) -> Inventory:
    return load(write(tmp_path, SMALL))


def names(inventory: Inventory, limit: str | None) -> list[str]:
    return [host.name for host in select(inventory, limit)]


def test_the_example_can_be_read() -> None:
    inventory = load(EXAMPLE)
    assert names(inventory, "web") == ["web01.example.com", "web02.example.com", "web03.example.com"]
    assert inventory.hosts["db1.example.com"].connection.port == 2222


def test_a_childs_value_wins_over_its_parents_and_a_hosts_over_its_groups(small: Inventory) -> None:
    levels = {name: host.values()["level"] for name, host in small.hosts.items()}
    assert levels == {"lone": "all", "web01": "web", "web02": "web", "web03": "host", "db1": "prod"}


def test_variable_files_beside_the_inventory_win_in_ansibles_order(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    write(tmp_path, "level: file-all\nextra: 1", "group_vars/all.yml")
    write(tmp_path, "level: file-web", "group_vars/web/main.yaml")
    write(tmp_path, "level: file-host", "host_vars/web03.yml")
    hosts = load(path).hosts
    assert hosts["lone"].values()["level"] == "file-all"
    assert hosts["web01"].values()["level"] == "file-web"
    assert hosts["web03"].values()["level"] == "file-host"
    assert hosts["db1"].values()["extra"] == 1


def test_a_variable_knows_where_it_was_written(small: Inventory) -> None:
    assert small.hosts["db1"].variables["only_prod"].place == f"{small.path}:14:38"


def test_connection_variables_say_how_a_host_is_reached(small: Inventory) -> None:
    db1, web01 = small.hosts["db1"].connection, small.hosts["web01"].connection
    assert (db1.address, db1.port, db1.user) == ("10.0.0.9", 2222, "ops")
    assert (web01.address, web01.port, web01.become) == ("web01", 22, True)


def test_key_files_are_found_relative_to_the_inventory(tmp_path: Path) -> None:
    path = write(
        tmp_path, "all: {hosts: {a: {ansible_ssh_private_key_file: keys/id, tercel_known_hosts: /kh}}}"
    )
    connection = load(path).hosts["a"].connection
    assert (connection.key_file, connection.known_hosts) == (tmp_path / "keys/id", Path("/kh"))


@pytest.mark.parametrize(
    ("limit", "hosts"),
    [
        (None, ["lone", "web01", "web02", "web03", "db1"]),
        ("all", ["lone", "web01", "web02", "web03", "db1"]),
        ("web", ["web01", "web02", "web03"]),
        ("web:db1", ["web01", "web02", "web03", "db1"]),
        ("db1,lone", ["lone", "db1"]),
        ("prod:&web", ["web01", "web02", "web03"]),
        ("prod:!web02:!db", ["web01", "web03"]),
        ("!prod", ["lone"]),
        ("web0*", ["web01", "web02", "web03"]),
        ("~.*[23]$", ["web02", "web03"]),
        ("web[0]", ["web01"]),
        ("web[1:2]", ["web02", "web03"]),
        ("web[-1]", ["web03"]),
        ("web[1:]", ["web02", "web03"]),
        ("ungrouped", ["lone"]),
    ],
)
def test_a_limit_names_hosts_as_in_ansible(small: Inventory, limit: str | None, hosts: list[str]) -> None:
    assert names(small, limit) == hosts


@pytest.mark.parametrize(
    ("limit", "message"),
    [("wbe", "did you mean 'web'"), ("web:!web", "no host"), ("x*", "no host"), ("~(", "regular")],
)
def test_a_limit_that_names_nothing_is_an_error(small: Inventory, limit: str, message: str) -> None:
    with pytest.raises(InventoryError, match=message):
        select(small, limit)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("all:\n  hosts:\n    a: [1\n", "4:1", "not YAML"),
        ("all:\n  hosts:\n    a:\n    a:\n", "4:5", "twice"),
        ("all:\n  host:\n    a:\n", "2:3", "unknown part 'host'"),
        ("all:\n  hosts: [a, b]\n", "2:10", "must be a mapping"),
        ("all:\n  hosts:\n    web[3:1]:\n", "3:5", "range"),
        ("all:\n  hosts:\n    a: {ansible_port: ssh}\n", "3:23", "port number"),
        ("all:\n  hosts:\n    a: {ansible_ssh_common_args: -J x}\n", "3:34", "tercel_ignore"),
        ("all:\n  hosts:\n    a: {ansible_password: x}\n", "3:27", "keys"),
        ("all:\n  hosts:\n    a: {ansible_host: '{{ ip }}'}\n", "3:23", "templates"),
        ("all:\n  hosts:\n    a: {secret: !vault x}\n", "3:17", "ansible-vault"),
        ("a: {children: {b: {children: {a: }}}}\n", "1:31", "contain one another"),
        ("all:\n  hosts:\n    'a b':\n", "3:5", "name of a host"),
    ],
)
def test_an_error_names_the_file_the_line_and_the_column(
    tmp_path: Path, text: str, place: str, message: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InventoryError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}:{place}: ")


def test_a_variable_without_effect_can_be_ignored_by_name(tmp_path: Path) -> None:
    text = "all: {hosts: {a: {ansible_ssh_common_args: -J x, tercel_ignore: [ansible_ssh_common_args]}}}"
    assert load(write(tmp_path, text)).hosts["a"].connection.address == "a"


def test_an_inventory_that_is_not_there_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="TERCEL_INVENTORY"):
        load(tmp_path / "none.yml")


def test_a_group_in_two_places_is_one_group(tmp_path: Path) -> None:
    text = "web: {hosts: {a: }}\nprod: {children: {web: {hosts: {b: }}}}\n"
    assert names(load(write(tmp_path, text)), "prod") == ["a", "b"]
