"""What every page must hold in a browser: no accessibility finding in either theme, nothing wider than the screen, nothing that moves while it loads."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from tests.browser.conftest import AXE, SIZES

STILL = 0.01
"""A page whose parts move by more than this while it loads is not steady; 0.1 is what the web at large calls good."""
COLOURS = ("color-contrast",)
SIZED = (
    "aria-hidden-focus", "button-name", "empty-heading", "heading-order", "label", "link-name", "page-has-heading-one", "region",
    "scrollable-region-focusable", "select-name", "summary-name", "target-size",
)  # fmt: skip
"""Rules whose answer may be another at another size, where other parts are shown, words are hidden, or things stand closer."""
_AXE = """async ([within, without, rules]) => {
    const found = await axe.run(within ?? { exclude: without.map((each) => [each]) }, {
        resultTypes: ['violations'], preload: false, selectors: false,
        ...(rules.length ? { runOnly: rules } : {}),
    });
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
}"""


@functools.cache
def _axe() -> str:
    return AXE.read_text()


def settle(page: Any) -> None:
    """Wait until fonts are there, HTMX has fetched what a page asks for by itself, and two frames were drawn since."""
    page.evaluate("() => document.fonts.ready.then(() => undefined)")
    page.wait_for_function("() => !document.querySelector('.htmx-request:not(#jobs)')")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


def shifts(page: Any) -> list[Any]:
    """Return what moved on a settled page without having been asked to: the size of each move, and the elements."""
    return list(page.evaluate("() => window.shifts"))


def findings(
    page: Any,
    within: str | None = None,
    *,
    without: Sequence[str] = (),
    colours: bool | None = None,
    rules: Sequence[str] = (),
) -> list[str]:
    """Return what axe finds on a page, or in one part of it, or on all of it but some parts.

    It is injected through the tool, past the content policy, which stays in force for the page. The light theme changes colours and nothing else, so
    there, and wherever `colours` is set, only they are looked at. `rules` names what is looked at instead.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_axe())
    if colours is None:
        colours = page.evaluate("() => document.documentElement.dataset.theme === 'light'")
    return list(page.evaluate(_AXE, [within, list(without), list(rules or (COLOURS if colours else ()))]))


def overflow(page: Any) -> int:
    """Return by how many pixels a page is wider than the screen."""
    return int(page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def is_sound(page: Any) -> None:
    """Check a page as it stands, in its theme."""
    found = findings(page)
    assert not found, "\n".join(found)
    assert overflow(page) <= 0


def is_sound_in_both_themes(page: Any, within: str | None = None) -> None:
    """Check a page, or one part of it, as it stands and then in the other theme, which is put back."""
    theme = page.evaluate("() => document.documentElement.dataset.theme")
    found = findings(page, within)
    turn(page, "light" if theme == "dark" else "dark")
    found += findings(page, within, colours=True)
    turn(page, theme)
    assert not found, "\n".join(found)
    assert overflow(page) <= 0


def is_sound_everywhere(page: Any) -> None:
    """Check a page as it stands at both sizes and in both themes, for what takes a journey to get to; it is left at the last size."""
    for width, height in SIZES.values():
        page.set_viewport_size({"width": width, "height": height})
        is_sound_in_both_themes(page)


def is_steady(page: Any) -> None:
    """Check that nothing moved while the page came."""
    settle(page)
    moved = shifts(page)
    assert sum(size for size, _ in moved) < STILL, moved


def turn(page: Any, theme: str) -> None:
    """Turn a page to a theme without loading it anew."""
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
