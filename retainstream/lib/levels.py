"""Texts as small whole numbers, in the order in which they appear."""

from __future__ import annotations


class Levels(dict[str | None, int]):
    """Texts to codes from 0 on, in order of appearance: looked up by `levels[text]`. A missing or empty text is -1."""

    def __init__(self) -> None:
        super().__init__({None: -1, "": -1})

    def __missing__(self, text: str | None) -> int:
        code = self[text] = len(self) - 2
        return code

    def texts(self) -> list[str]:
        """Return the texts by their codes."""
        return [text for text, code in self.items() if text is not None and code >= 0]
