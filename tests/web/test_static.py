"""Static files: vendored ones are what the lock says, and every page finds the files that it names."""

from __future__ import annotations

import hashlib
import re

from flask.testing import FlaskClient

from retainstream.config import ROOT

STATIC = ROOT / "retainstream" / "static"


def test_vendored_files_are_those_of_the_lock() -> None:
    locked = dict(line.split() for line in (STATIC / "vendor.lock").read_text().splitlines())
    found = {
        str(path.relative_to(STATIC / "vendor")): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (STATIC / "vendor").rglob("*")
        if path.is_file()
    }
    assert found == locked


def test_every_vendored_folder_has_a_licence() -> None:
    for folder in (STATIC / "vendor").iterdir():
        assert any(path.name.startswith("LICENSE") for path in folder.iterdir()), folder.name


def test_pages_find_the_files_that_they_name(client: FlaskClient) -> None:
    for page in ("/set-up", "/api/v1/docs"):
        addresses = re.findall(r'(?:src|href)="(/static/[^"#]+)', client.get(page).text)
        assert addresses
        for address in addresses:
            assert client.get(address).status_code == 200, address


def test_style_sheets_name_only_tokens_that_exist() -> None:
    tokens = set(re.findall(r"(--[\w-]+):", (STATIC / "tokens.css").read_text()))
    own = (STATIC / "app.css").read_text()
    used = set(re.findall(r"var\((--[\w-]+)", own))
    assert used - tokens - set(re.findall(r"(--[\w-]+):", own)) == set()


def test_fonts_of_the_style_sheet_exist() -> None:
    for name in re.findall(r'url\("([^"]+)"\)', (STATIC / "tokens.css").read_text()):
        assert (STATIC / name).is_file(), name
