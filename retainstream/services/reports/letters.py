"""Which font of a PDF draws which letter: the one that is carried along, those of Chinese, Japanese and Korean that every reader of PDF knows by name, or none.

What none draws is said in words in square brackets; a box would look like a defect of the data.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from itertools import groupby

EAST_ASIAN = {
    "HeiseiKakuGo-W5": "cp932",
    "HYGothic-Medium": "cp949",
    "STSong-Light": "gbk",
    "MSung-Light": "cp950",
}
"""Fonts of Adobe's four collections, which a file names and does not carry, and the encoding whose letters each has."""
_INVISIBLE = frozenset("\u200b\u200c\u200d\u2060\ufe0e\ufe0f\ufeff" + "".join(map(chr, range(0x1F3FB, 0x1F400))))
"""Signs that only change the look of their neighbours: joiners, variants, tones of skin."""
_RIGHT_TO_LEFT = frozenset({"R", "AL"})
_CONTROL = 0x20


@dataclass(frozen=True)
class Lettered:
    """A text as markup of a paragraph.

    Attributes
    ----------
    east_asian : bool
        It holds letters between which a line may end.
    told : bool
        Letters or signs that no font has are told in brackets.
    right_to_left : bool
        It holds letters that are written from right to left, which a PDF of ours draws one by one from left to right.
    """

    markup: str
    east_asian: bool = False
    told: bool = False
    right_to_left: bool = False


@lru_cache(maxsize=8192)
def lettered(text: str, own: frozenset[int]) -> Lettered:
    """Return a text with the font of each part; `own` are the code points of the font that is carried along."""
    if text.isascii():
        return Lettered(escape(text, quote=False))
    order = _preferred(text)
    parts, fonts = [], set()
    for font, letters in groupby(_visible(text), lambda letter: _font_of(letter, own, order)):
        fonts.add(font)
        part = "".join(letters)
        if font is None:
            parts.append(escape(_in_words(part), quote=False))
        else:
            safe = escape(part, quote=False)
            parts.append(f'<font name="{font}">{safe}</font>' if font else safe)
    backwards = any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in text)
    return Lettered("".join(parts), bool(fonts & EAST_ASIAN.keys()), None in fonts, backwards)


def _visible(text: str) -> Iterator[str]:
    return (letter for letter in text if letter not in _INVISIBLE)


def _preferred(text: str) -> tuple[str, ...]:
    """Return the fonts in the order to ask them: Chinese signs of a text with kana or hangul look as that language writes them."""
    names = "".join(unicodedata.name(letter, "")[:8] for letter in text)
    first = "HeiseiKakuGo-W5" if "HIRAGANA" in names or "KATAKANA" in names else None
    first = first or ("HYGothic-Medium" if "HANGUL" in names else None)
    rest = ("STSong-Light", "MSung-Light", "HeiseiKakuGo-W5", "HYGothic-Medium")
    return tuple(dict.fromkeys((first, *rest))) if first else rest


def _font_of(letter: str, own: frozenset[int], order: tuple[str, ...]) -> str | None:
    """Return the font of a letter, empty for the one that is carried along, None where no font has it."""
    if ord(letter) in own or ord(letter) < _CONTROL:
        return ""
    for font in order:
        try:
            letter.encode(EAST_ASIAN[font])
        except UnicodeEncodeError:
            continue
        return font
    return None


def _in_words(part: str) -> str:
    """Return what stands for letters and signs that no font has: the script of letters, the names of signs."""
    words = []
    for letter in part:
        name = unicodedata.name(letter, "unknown sign").lower()
        is_letter = unicodedata.category(letter)[0] in "LM"
        words.append(name.split()[0].capitalize() if is_letter else name)
    return f"[{', '.join(dict.fromkeys(words))}]"
