"""A model's container: same bytes for same content, and nothing hostile or damaged gets through."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retainstream.ml import artifact
from retainstream.ml.artifact import ArtifactError, pack, sha256, unpack

MEMBERS = {"booster-0.ubj": bytes(range(256)) * 40, "encoder.json": b"{}", "empty.bin": b""}
MANIFEST = {"features": ["Café", "b"], "auc": 0.84, "nested": {"n": 3, "none": None}}


def zipped(files: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return buffer.getvalue()


def head(members: dict[str, bytes], **change: Any) -> bytes:
    index = {name: {"size": len(data), "sha256": sha256(data)} for name, data in members.items()}
    return json.dumps({"format": 1, "manifest": {}, "members": index} | change).encode()


def refused(data: bytes, words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        unpack(data, sha256(data))


def test_what_goes_in_comes_out() -> None:
    data = pack(MEMBERS, MANIFEST)
    assert unpack(data, sha256(data)) == (MANIFEST, MEMBERS)


def test_same_content_same_bytes_whatever_the_order() -> None:
    turned = (
        {name: MEMBERS[name] for name in reversed(MEMBERS)},
        {name: MANIFEST[name] for name in reversed(MANIFEST)},
    )
    assert pack(MEMBERS, MANIFEST) == pack(*turned)
    assert pack(MEMBERS, MANIFEST) != pack(MEMBERS, MANIFEST | {"auc": 0.85})


def test_hash_is_compared_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pack(MEMBERS, MANIFEST)

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("parsed before the hash was compared")

    monkeypatch.setattr(zipfile, "ZipFile", never)
    for wrong in (sha256(data + b"x"), "", "0" * 63, "g" * 64, sha256(data).upper(), None):
        with pytest.raises(ArtifactError, match="SHA-256"):
            unpack(data, wrong)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_change_is_noticed(data: st.DataObject) -> None:
    packed = pack(MEMBERS, MANIFEST)
    place = data.draw(st.integers(0, len(packed) - 1))
    changed = bytearray(packed)
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ArtifactError):
        unpack(bytes(changed), sha256(packed))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_with_a_fitting_hash_is_an_artifact_error_or_harmless(data: st.DataObject) -> None:
    changed = bytearray(pack(MEMBERS, MANIFEST))
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(changed[: data.draw(st.integers(0, len(changed)))])
    try:
        manifest, members = unpack(damaged, sha256(damaged))
    except ArtifactError:
        return
    assert (manifest, members) == (MANIFEST, MEMBERS)


@pytest.mark.parametrize("data", [b"", b"<html>", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), zipped([])])
def test_other_files_are_refused(data: bytes) -> None:
    refused(data, "container")


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "a/b", "a\\b", "C:x", ".hidden", "a..b", "UPPER", "x" * 101, "é.json", "a\n"]
)
def test_hostile_names_are_refused_both_ways(name: str) -> None:
    with pytest.raises(ArtifactError, match="name"):
        pack({name: b""}, {})
    refused(zipped([("manifest.json", head({name: b"x"})), (name, b"x")]), "name|container")


@pytest.mark.parametrize("name", ["manifest.json", ""])
def test_reserved_and_empty_names_are_refused(name: str) -> None:
    with pytest.raises(ArtifactError, match="name"):
        pack({name: b"{}"}, {})


def test_members_must_be_those_of_the_manifest() -> None:
    listed = {"a.bin": b"a"}
    refused(zipped([("a.bin", b"a"), ("manifest.json", head(listed))]), "parts")
    refused(zipped([("manifest.json", head(listed))]), "parts")
    refused(zipped([("manifest.json", head(listed)), ("a.bin", b"a"), ("b.bin", b"b")]), "parts")
    refused(zipped([("manifest.json", head(listed)), ("a.bin", b"other")]), "does not match")
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zipped([("manifest.json", head(listed)), ("a.bin", b"a"), ("a.bin", b"a")])
    refused(twice, "parts")


@pytest.mark.parametrize("content", [b"[]", b"null", b"{", b"\xff", head({}, format=2), b"[" * 100_000])
def test_manifest_of_another_shape_is_refused(content: bytes) -> None:
    refused(zipped([("manifest.json", content)]), "version|damaged")


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact, "MAX_UNPACKED", 10_000)
    bomb = {"a.bin": bytes(6_000), "b.bin": bytes(6_000)}
    data = zipped([("manifest.json", head(bomb)), *bomb.items()])
    refused(data, "more than is allowed")
    # Headers that claim less than the stream holds: the sizes in both headers are turned to small ones.
    single = {"a.bin": bytes(12_000)}
    liar = zipped([("manifest.json", head(single)), *single.items()]).replace(
        (12_000).to_bytes(4, "little"), (12).to_bytes(4, "little")
    )
    with pytest.raises(ArtifactError):
        unpack(liar, sha256(liar))
    with pytest.raises(ArtifactError, match="too large"):
        pack(bomb, {})
    monkeypatch.setattr(artifact, "MAX_PACKED", 100)
    refused(data, "larger")


def test_too_many_members() -> None:
    many = {f"m{number}.bin": b"" for number in range(artifact.MAX_MEMBERS + 1)}
    with pytest.raises(ArtifactError, match="at most"):
        pack(many, {})
    refused(zipped([("manifest.json", head(many)), *many.items()]), "parts")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object(), "\ud800"])
def test_manifest_must_be_json(value: object) -> None:
    with pytest.raises(ArtifactError, match="JSON"):
        pack({}, {"value": value})
