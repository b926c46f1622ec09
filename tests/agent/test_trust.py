from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent import release
from agent.link.releases import Releases
from agent.paths import Paths
from agent.release import Manifest, Signature, older_text, signed_text
from agent.trust import ANY, TooOldError, Trust, TrustError
from agent.wire import Refused


class Key:
    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes_raw().hex()

    def sign(self, text: bytes) -> Signature:
        return Signature(self.public, self._key.sign(text).hex())

    def vouch(self, manifest: Manifest) -> Signature:
        return self.sign(signed_text(manifest.to_json()))


def manifest(number: int, expires: str | None = None) -> Manifest:
    digest = release.sha256(b"{}\n")
    return Manifest(number, "2026-01-01T00:00:00.000Z", "", (), (), (digest,), expires)


@pytest.fixture
def key() -> Key:
    return Key()


@pytest.fixture
def paths(tmp_path: Path, key: Key) -> Paths:
    paths = Paths(tmp_path)
    paths.etc.mkdir(parents=True)
    paths.counters.parent.mkdir(parents=True)
    paths.trusted_keys.write_text(f"{key.public}\n")
    return paths


def test_a_release_of_a_trusted_key_is_taken(paths: Paths, key: Key) -> None:
    Trust(paths).check(manifest(1), key.vouch(manifest(1)))


def test_a_release_that_is_not_signed_is_refused(paths: Paths) -> None:
    with pytest.raises(TrustError, match="not signed"):
        Trust(paths).check(manifest(1), None)


def test_a_release_of_another_key_is_refused(paths: Paths) -> None:
    with pytest.raises(TrustError, match="not trusted here"):
        Trust(paths).check(manifest(1), Key().vouch(manifest(1)))


def test_a_release_that_was_changed_after_signing_is_refused(paths: Paths, key: Key) -> None:
    changed = dataclasses.replace(manifest(1), description="evil")
    with pytest.raises(TrustError, match="tampered"):
        Trust(paths).check(changed, key.vouch(manifest(1)))


def test_an_expired_release_is_refused(paths: Paths, key: Key) -> None:
    old = manifest(1, "2020-01-01T00:00:00.000Z")
    with pytest.raises(TrustError, match="expired on 2020"):
        Trust(paths).check(old, key.vouch(old))
    young = manifest(1, "2999-01-01T00:00:00.000Z")
    Trust(paths).check(young, key.vouch(young))


def test_a_host_without_keys_takes_any_and_says_so(paths: Paths) -> None:
    paths.trusted_keys.unlink()
    Trust(paths).check(manifest(1), None)
    assert Trust(paths).describe() == ANY


def test_an_empty_list_of_keys_trusts_nobody(paths: Paths, key: Key) -> None:
    paths.trusted_keys.write_text("# none\n")
    with pytest.raises(TrustError):
        Trust(paths).check(manifest(1), key.vouch(manifest(1)))
    assert Trust(paths).describe() == "none"


def test_an_older_release_needs_the_keys_word(paths: Paths, key: Key) -> None:
    trust = Trust(paths)
    trust.remember(manifest(5), key.vouch(manifest(5)))
    old, signature = manifest(3), key.vouch(manifest(3))
    with pytest.raises(TooOldError, match="release 3 is older than 5") as caught:
        trust.check_age(old, signature, None)
    assert caught.value.counter == 5
    word = key.sign(older_text(old.id, 5))
    trust.check_age(old, signature, word)
    trust.remember(manifest(6), key.vouch(manifest(6)))
    with pytest.raises(TooOldError):
        trust.check_age(old, signature, word)  # a word is of no use once something newer came


def test_a_word_for_another_release_or_by_another_key_is_none(paths: Paths, key: Key) -> None:
    trust = Trust(paths)
    trust.remember(manifest(5), key.vouch(manifest(5)))
    old, signature = manifest(3), key.vouch(manifest(3))
    for word in (key.sign(older_text(manifest(4).id, 5)), Key().sign(older_text(old.id, 5))):
        with pytest.raises(TooOldError):
            trust.check_age(old, signature, word)


def test_a_damaged_counter_refuses_and_does_not_begin_anew(paths: Paths, key: Key) -> None:
    paths.counters.write_text("{")
    with pytest.raises(TrustError, match="damaged"):
        Trust(paths).check_age(manifest(1), key.vouch(manifest(1)), None)


def archive(key: Key, one: Manifest) -> bytes:
    return release.pack(one, {"falco.yaml": b"{}\n", release.SIGNATURE: key.vouch(one).to_bytes()})


def test_put_refuses_what_the_host_does_not_trust_and_writes_nothing(paths: Paths) -> None:
    one = manifest(1)
    with pytest.raises(Refused, match="not trusted here") as caught:
        Releases(paths).put({"release": one.id}, archive(Key(), one))
    assert caught.value.code == "release_rejected"
    assert not (paths.releases / one.id).exists()


def test_activate_checks_again_what_lies_on_the_disk(paths: Paths, key: Key) -> None:
    one = manifest(1)
    Releases(paths).put({"release": one.id}, archive(key, one))
    (paths.releases / one.id / release.SIGNATURE).write_bytes(Key().vouch(one).to_bytes())
    with pytest.raises(Refused, match="not trusted here"):
        Releases(paths).activate({"release": one.id}, b"")


def test_activate_refuses_an_older_release_with_the_counter(paths: Paths, key: Key) -> None:
    one = manifest(1)
    verbs = Releases(paths)
    verbs.put({"release": one.id}, archive(key, one))
    Trust(paths).remember(manifest(2), key.vouch(manifest(2)))
    with pytest.raises(Refused) as caught:
        verbs.activate({"release": one.id}, b"")
    assert (caught.value.code, caught.value.details) == ("release_too_old", {"counter": 2})
    word = key.sign(older_text(one.id, 2)).to_bytes().decode()
    with pytest.raises(Refused) as caught:
        verbs.activate({"release": one.id, "word": word}, b"")
    assert caught.value.code == "no_engine"  # trusted, and only the daemon is missing
