from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.inventory.ranges import expand


@pytest.mark.parametrize(
    ("name", "hosts"),
    [
        ("web1", ["web1"]),
        ("web[1:3]", ["web1", "web2", "web3"]),
        ("web[08:11].x", ["web08.x", "web09.x", "web10.x", "web11.x"]),
        ("db-[a:c]", ["db-a", "db-b", "db-c"]),
        ("n[0:6:3]", ["n0", "n3", "n6"]),
        ("r[1:2]h[a:b]", ["r1ha", "r1hb", "r2ha", "r2hb"]),
    ],
)
def test_a_range_stands_for_its_hosts(name: str, hosts: list[str]) -> None:
    assert expand(name) == hosts


@pytest.mark.parametrize(
    "name", ["web[3:1]", "web[1:x]", "web[1:2", "web1]", "web[]", "web[01:100]", "w[1:9:0]", "w[1:9999999]"]
)
def test_a_bad_range_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=r"range|bracket|stands for"):
        expand(name)


@settings(deadline=None)
@given(st.text(alphabet="web[]:019a", max_size=12))
def test_any_name_gives_hosts_without_brackets_or_an_error(name: str) -> None:
    try:
        hosts = expand(name)
    except ValueError:
        return
    assert hosts
    assert not any("[" in host or "]" in host for host in hosts)
