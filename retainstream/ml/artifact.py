"""The container of a model: a zip of byte members with a JSON manifest, verified by hash before anything reads it.

Here live packing, the hash and the strict reading of the container. Not here: what the members mean (``predictor``).
Nothing is ever unpickled or written to a disk, and member names are only looked up, never used as paths.

The same members and manifest give the same bytes (sorted names, fixed dates and modes) as long as the zlib library is the
same; the hash is therefore taken of the packed bytes and kept with them, never computed again from the members.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import zipfile
import zlib
from typing import Any

__all__ = ["MAX_MEMBERS", "MAX_PACKED", "MAX_UNPACKED", "ArtifactError", "pack", "sha256", "unpack"]

MAX_PACKED = 256 * 2**20
"""Largest container, in bytes."""
MAX_UNPACKED = 1024 * 2**20
"""Largest sum of the members' sizes, in bytes, counted while unpacking whatever the headers claim."""
MAX_MEMBERS = 500
_MAX_MANIFEST = 32 * 2**20

_FORMAT = 1
_MANIFEST = "manifest.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*", re.ASCII)
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
_READ_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,  # an unknown compression
    RuntimeError,  # an encrypted member
    ValueError,  # includes JSON and UTF-8 errors
    IndexError,
    OverflowError,
    RecursionError,
)


class ArtifactError(ValueError):
    """A container that is damaged, too large, not the expected one, or not made by :func:`pack`."""


def sha256(data: bytes) -> str:
    """Return the SHA-256 of some bytes, as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def pack(members: dict[str, bytes], manifest: dict[str, Any]) -> bytes:
    """Pack members and a manifest into one container.

    Parameters
    ----------
    members : dict of str to bytes
        Names are lower-case letters, digits, ``_``, ``-`` and single inner dots (``booster-0.ubj``), at most 100 characters.
    manifest : dict
        JSON-ready values; NaN and infinities are refused.

    Returns
    -------
    bytes
        A zip archive; give it to :func:`sha256` and keep both.

    Raises
    ------
    ArtifactError
        On a bad name, a manifest that is not JSON, or a size over the limits that :func:`unpack` would refuse.
    """
    if len(members) > MAX_MEMBERS:
        raise ArtifactError(f"A model holds at most {MAX_MEMBERS} parts, got {len(members)}.")
    for name in members:
        if name == _MANIFEST or not _is_name(name):
            raise ArtifactError(f"{name!r} cannot be the name of a part of a model.")
    index = {name: {"size": len(data), "sha256": sha256(data)} for name, data in members.items()}
    head = _canonical({"format": _FORMAT, "manifest": manifest, "members": index})
    if len(head) > _MAX_MANIFEST or sum(map(len, members.values())) > MAX_UNPACKED:
        raise ArtifactError("The model is too large to be stored.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in [(_MANIFEST, head), *sorted(members.items())]:
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = 3  # otherwise it depends on the operating system
            entry.external_attr = 0o600 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data, compresslevel=6)
    packed = buffer.getvalue()
    if len(packed) > MAX_PACKED:
        raise ArtifactError("The model is too large to be stored.")
    return packed


def unpack(data: bytes, expected_sha256: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Verify and read a container.

    Parameters
    ----------
    data : bytes
        What :func:`pack` returned.
    expected_sha256 : str
        The hash kept with it. It is compared before a single byte is parsed.

    Returns
    -------
    manifest, members : dict, dict of str to bytes

    Raises
    ------
    ArtifactError
        When the hash differs, or the container is damaged, too large, or not made by :func:`pack`.
    """
    if len(data) > MAX_PACKED:
        raise ArtifactError(f"The model is larger than {MAX_PACKED} bytes.")
    if not re.fullmatch(r"[0-9a-f]{64}", str(expected_sha256), re.ASCII):
        raise ArtifactError("The model's expected SHA-256 is not 64 hexadecimal digits.")
    if not hmac.compare_digest(sha256(data), expected_sha256):
        raise ArtifactError("The model's bytes do not match its SHA-256: they were damaged or replaced.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(archive)
    except ArtifactError:
        raise
    except _READ_ERRORS as error:
        raise ArtifactError("The model's container is damaged.") from error


def _read(archive: zipfile.ZipFile) -> tuple[dict[str, Any], dict[str, bytes]]:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(names) > MAX_MEMBERS + 1 or len(set(names)) != len(names) or names[:1] != [_MANIFEST]:
        raise ArtifactError("The model's container does not hold the parts that it should.")
    for entry in entries:
        # orig_filename is what the file really says: the other is cut at a zero byte.
        if not _is_name(entry.filename) or entry.orig_filename != entry.filename:
            raise ArtifactError(f"{entry.orig_filename!r} cannot be the name of a part of a model.")
        if entry.compress_type not in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
            raise ArtifactError("A part of the model is compressed in an unknown way.")
    head = json.loads(_bounded(archive, entries[0], _MAX_MANIFEST).decode("utf-8"))
    if not isinstance(head, dict) or head.get("format") != _FORMAT:
        raise ArtifactError("The model was made by another version of the program.")
    manifest, index = head.get("manifest"), head.get("members")
    if not isinstance(manifest, dict) or not isinstance(index, dict) or sorted(index) != sorted(names[1:]):
        raise ArtifactError("The model's container does not hold the parts that its manifest names.")
    left = MAX_UNPACKED
    members = {}
    for entry in entries[1:]:
        content = _bounded(archive, entry, left)
        left -= len(content)
        if index[entry.filename] != {"size": len(content), "sha256": sha256(content)}:
            raise ArtifactError(f"The part {entry.filename!r} of the model does not match the manifest.")
        members[entry.filename] = content
    return manifest, members


def _bounded(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    """Unpack one member, stopping at the limit: a header can claim a small size and unpack to a large one."""
    if entry.file_size > limit:
        raise ArtifactError("The model unpacks to more than is allowed.")
    with archive.open(entry) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise ArtifactError("The model unpacks to more than is allowed.")
    return content


def _is_name(name: str) -> bool:
    return len(name) <= 100 and _NAME.fullmatch(name) is not None


def _canonical(value: Any) -> bytes:
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"The model's manifest cannot be written as JSON: {error}.") from error
