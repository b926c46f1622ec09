from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from agent.release import engine_digest, unpack
from controller.errors import HomeError, InputError, ReleaseBuildError, StoreError
from controller.home import Home
from controller.inventory import Inventory, load
from controller.release import Shelf, Sources, build
from controller.release.diff import diff
from controller.release.template import RULES, Template
from controller.store import Store, releases

INVENTORY = """
    all:
      hosts:
        web1: {level: notice}
        web2: {level: debug}
        web3: {level: debug}
"""
RULE = """
    - rule: Read a secret
      desc: test
      condition: evt.type = openat and fd.name = /etc/shadow
      output: read %fd.name
      priority: WARNING
"""
CONFIG = f"rules_files: [{RULES}]\npriority: {{{{ level }}}}\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text).lstrip("\n"))
    return path


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    return load(write(tmp_path / "inventory.yml", INVENTORY))


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    rules = write(tmp_path / "rules/b.yaml", RULE).parent
    write(rules / "a.yaml", "- list: names\n  items: [x]\n")
    write(rules / "b_test.yaml", "cases: []\n")
    return Sources([rules], config=write(tmp_path / "falco.yaml.j2", CONFIG), description="first")


def test_a_release_holds_its_rules_in_load_order_and_a_configuration_for_each_host(
    home: Home, store: Store, inventory: Inventory, sources: Sources
) -> None:
    built = build(home, store, inventory, sources)
    contents = Shelf(home.releases).get(built.entry.id)
    assert [file.path for file in contents.manifest.rules] == ["rules/001-a.yaml", "rules/002-b.yaml"]
    assert built.entry.configs["web1"] != built.entry.configs["web2"] == built.entry.configs["web3"]
    assert b"priority: notice" in contents.configs[built.entry.configs["web1"]]


def test_the_archive_of_a_host_is_what_its_digest_is_made_of(
    home: Home, store: Store, inventory: Inventory, sources: Sources
) -> None:
    entry = build(home, store, inventory, sources).entry
    contents = Shelf(home.releases).get(entry.id)
    manifest, files = unpack(contents.archive(entry.configs["web2"]))
    digest = engine_digest([files[file.path] for file in manifest.rules], files["falco.yaml"])
    assert digest == contents.digest(entry.configs["web2"]) != contents.digest(entry.configs["web1"])


def test_building_again_without_a_change_gives_the_same_release(
    home: Home, store: Store, inventory: Inventory, sources: Sources
) -> None:
    first, second = build(home, store, inventory, sources), build(home, store, inventory, sources)
    assert (first.new, second.new, first.entry) == (True, False, second.entry)
    write(sources.rules[0] / "a.yaml", "- list: names\n  items: [y]\n")
    assert build(home, store, inventory, sources).entry.number == 2


def test_a_release_that_was_changed_on_disk_is_refused(
    home: Home, store: Store, inventory: Inventory, sources: Sources
) -> None:
    entry = build(home, store, inventory, sources).entry
    (home.releases / entry.id / "rules/001-a.yaml").write_text("- list: names\n  items: []\n")
    with pytest.raises(HomeError, match="was changed after it was built"):
        Shelf(home.releases).get(entry.id)


def test_rules_that_do_not_load_make_no_release(
    home: Home, store: Store, inventory: Inventory, sources: Sources
) -> None:
    bad = write(sources.rules[0] / "c.yaml", "- rule: [\n")
    with pytest.raises(ReleaseBuildError, match="no release") as caught:
        build(home, store, inventory, sources)
    assert str(caught.value).startswith(f"{bad}:")
    with store.read() as tx, pytest.raises(StoreError, match="there is no release yet"):
        releases.find(tx, None)


def test_playbooks_that_do_not_load_make_no_release(
    home: Home, store: Store, inventory: Inventory, sources: Sources, tmp_path: Path
) -> None:
    bad = write(tmp_path / "p.yaml", "- rule: x\n  actions: [{action: none}]\n")
    with pytest.raises(ReleaseBuildError, match=r"p\.yaml:2:"):
        build(home, store, inventory, Sources(sources.rules, [bad]))


def test_every_host_that_a_template_fails_for_is_named(
    home: Home, store: Store, inventory: Inventory, sources: Sources, tmp_path: Path
) -> None:
    config = write(
        tmp_path / "broken.j2", f"rules_files: [{RULES}]\n# {{{{ level }}}}\npriority: {{{{ none_such }}}}\n"
    )
    with pytest.raises(ReleaseBuildError, match="fails for 3 host") as caught:
        build(home, store, inventory, Sources(sources.rules, config=config))
    assert f"{config}:3: cannot render it for web2: 'none_such' is undefined" in caught.value.lines


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: {{ level\n", ":1", "broken"),
        ("a: 1\nb: {% if %}\n", ":2", "broken"),
        ("a: {{ level.upper.__globals__ }}\n", ":1", "unsafe|cannot render"),
        ("a: {{ 1 // 0 }}\n", ":1", "cannot render"),
        ("a: [1\n", " for web1:2:1", "not YAML"),
        ("- 1\n", " for web1:1:1", "map"),
        (f"rules_files: [{RULES}]\npriority: loud\n", " for web1:2:11", "priority"),
        (f"rules_files: [{RULES}]\njson_output: maybe\n", " for web1:2:14", "json_output"),
        ("priority: debug\n", " for web1", "rules_files must be"),
        ("rules_files: [/etc/falco/falco_rules.yaml]\n", " for web1", "rules_files must be"),
    ],
)
def test_a_broken_template_is_told_with_its_place(
    inventory: Inventory, text: str, place: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Template("falco.yaml.j2", text).render(inventory.hosts["web1"])
    assert str(caught.value).startswith(f"falco.yaml.j2{place}: ")


def test_a_template_knows_the_hosts_name_and_groups(inventory: Inventory) -> None:
    text = f"rules_files: [{RULES}]\nx: {{{{ inventory_hostname }}}} {{{{ group_names }}}}\n"
    assert b"x: web1 []" in Template("t", text).render(inventory.hosts["web1"])


def test_a_release_is_written_whole_or_not_at_all(
    home: Home, store: Store, inventory: Inventory, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="No space"):
        build(home, store, inventory, sources)
    assert list(home.releases.iterdir()) == []


def test_the_default_configuration_can_be_rendered(inventory: Inventory) -> None:
    from controller.release.template import DEFAULT

    assert (
        json.dumps(RULES).strip('"') in Template("default", DEFAULT).render(inventory.hosts["web1"]).decode()
    )


def test_two_releases_are_compared_by_meaning(
    home: Home, store: Store, inventory: Inventory, sources: Sources, tmp_path: Path
) -> None:
    first = build(home, store, inventory, sources).entry
    write(sources.rules[0] / "a.yaml", "# only a comment is new\n- list: names\n  items: [x]\n")
    write(sources.rules[0] / "b.yaml", RULE.replace("/etc/shadow", "/etc/gshadow"))
    inventory = load(
        write(tmp_path / "inventory.yml", INVENTORY.replace("web1: {level: notice}", "web1: {level: info}"))
    )
    second = build(home, store, inventory, sources).entry
    shelf = Shelf(home.releases)
    found = diff((first, shelf.get(first.id)), (second, shelf.get(second.id)))
    assert [(change.kind, change.name, change.how) for change in found.rules] == [
        ("rule", "Read a secret", "changed")
    ]
    (config,) = found.configs
    assert config.hosts == ("web1",)
    assert "-priority: notice" in config.lines
    assert found.hosts_added == found.hosts_removed == found.playbooks == ()
