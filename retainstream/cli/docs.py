"""`python -m retainstream.cli.docs`: writes the parts of the documents that come from the code. A test compares them."""

from __future__ import annotations

import re

from retainstream.config import ROOT, configuration_table

README = ROOT / "README.md"
_TABLE = re.compile(r"\| variable \| default \| meaning \|\n(\|.*\n)+")


def main() -> None:
    """Put the configuration table into the README."""
    text = README.read_text()
    if not _TABLE.search(text):
        raise SystemExit("README.md has no configuration table to replace")
    README.write_text(_TABLE.sub(lambda _: configuration_table() + "\n", text))


if __name__ == "__main__":
    main()
