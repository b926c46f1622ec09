"""A release is what its manifest says, or it is refused."""

import io
import json
import tarfile
from dataclasses import replace

import pytest

from agent.release import (
    Manifest,
    ReleaseError,
    ReleaseFile,
    engine_digest,
    pack,
    sha256,
    unpack,
)

FILES = {"rules/a.yaml": b"- rule: a\n", "playbooks/p.yaml": b"[]\n", "falco.yaml": b"json_output: true\n"}


def manifest(**changes: object) -> Manifest:
    made = Manifest(
        number=3,
        created="2026-01-02T03:04:05Z",
        description="a test",
        rules=(ReleaseFile("rules/a.yaml", sha256(FILES["rules/a.yaml"])),),
        playbooks=(ReleaseFile("playbooks/p.yaml", sha256(FILES["playbooks/p.yaml"])),),
        configs=(sha256(FILES["falco.yaml"]),),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def tar_of(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_an_archive_comes_back_as_it_was_packed() -> None:
    assert unpack(pack(manifest(), FILES)) == (manifest(), FILES)


def test_the_same_release_packs_to_the_same_bytes() -> None:
    assert pack(manifest(), FILES) == pack(manifest(), dict(reversed(FILES.items())))


def test_the_id_changes_with_any_content() -> None:
    other = manifest(rules=(ReleaseFile("rules/a.yaml", sha256(b"- rule: b\n")),))
    assert other.id != manifest().id
    assert manifest().id.startswith("3-")


@pytest.mark.parametrize("path", sorted(FILES))
def test_a_changed_file_is_refused(path: str) -> None:
    changed = {"manifest.json": manifest().to_json(), **FILES, path: b"changed"}
    with pytest.raises(ReleaseError, match=path):
        unpack(tar_of(changed))


@pytest.mark.parametrize("path", sorted(FILES))
def test_a_missing_file_is_refused(path: str) -> None:
    kept = {name: content for name, content in FILES.items() if name != path}
    with pytest.raises(ReleaseError, match=f"lacks {path}"):
        unpack(tar_of({"manifest.json": manifest().to_json(), **kept}))


@pytest.mark.parametrize("extra", ["rules/b.yaml", "../../etc/passwd", "/etc/passwd", "run.sh"])
def test_a_file_that_the_manifest_does_not_name_is_refused(extra: str) -> None:
    with pytest.raises(ReleaseError, match="does not name"):
        unpack(tar_of({"manifest.json": manifest().to_json(), **FILES, extra: b""}))


@pytest.mark.parametrize("path", ["rules/../x.yaml", "/rules/a.yaml", "rules/.hidden.yaml", "rules/a b.yaml"])
def test_a_manifest_cannot_name_a_path_outside(path: str) -> None:
    text = manifest().to_json().replace(b"rules/a.yaml", path.encode())
    with pytest.raises(ReleaseError, match="no path"):
        Manifest.from_json(text)


def test_a_link_in_the_archive_is_refused() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("rules/a.yaml")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/shadow"
        archive.addfile(member)
    with pytest.raises(ReleaseError, match="unexpected entry"):
        unpack(buffer.getvalue())


@pytest.mark.parametrize("archive", [b"", b"not gzip", tar_of({})])
def test_what_is_no_release_is_refused(archive: bytes) -> None:
    with pytest.raises(ReleaseError):
        unpack(archive)


@pytest.mark.parametrize("text", [b"{}", b"[]", b"\xff", json.dumps({"format": 2}).encode()])
def test_a_malformed_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(ReleaseError):
        Manifest.from_json(text)


def test_every_cut_of_an_archive_is_refused() -> None:
    archive = pack(manifest(), FILES)
    for size in range(len(archive)):
        with pytest.raises(ReleaseError):
            unpack(archive[:size])


def test_the_engine_digest_tells_rules_order_and_config_apart() -> None:
    digests = {
        engine_digest([b"a", b"b"], b"c"),
        engine_digest([b"b", b"a"], b"c"),
        engine_digest([b"a"], b"c"),
        engine_digest([b"a", b"b"], b"d"),
    }
    assert len(digests) == 4
