"""The HTML test client is a linter: `lint` reads a page or a fragment as strictly as a careful colleague would.

Checked: tags nest and close, one title and one h1 on a page, ids are unique, inputs have labels, posting forms carry the CSRF field, `hx-*` addresses
resolve and have a target, references by id resolve, and nothing is inline that the content policy forbids.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
HX_METHODS = {"hx-get": "GET", "hx-post": "POST", "hx-put": "PUT", "hx-patch": "PATCH", "hx-delete": "DELETE"}
REFERENCES = ("for", "aria-labelledby", "aria-describedby", "aria-controls")
_UNLABELLED = frozenset({"hidden", "submit", "button"})


@dataclass
class Element:
    """One element with its ancestors' tags, the text inside, and the attributes as written."""

    tag: str
    attributes: dict[str, str]
    ancestors: tuple[str, ...]
    form: Element | None
    text: str = ""
    fields: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[Element] = []
        self.elements: list[Element] = []
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        for name in {name for name in names if names.count(name) > 1}:
            self.problems.append(f"<{tag}> has the attribute {name} twice")
        form = next((element for element in reversed(self.open) if element.tag == "form"), None)
        element = Element(
            tag, {name: value or "" for name, value in attrs}, tuple(each.tag for each in self.open), form
        )
        if tag == "form" and form is not None:
            self.problems.append("a form stands inside a form")
        if tag in ("a", "button") and {"a", "button"} & set(element.ancestors):
            self.problems.append(f"<{tag}> stands inside a link or a button")
        if tag in ("div", "ul", "ol", "section", "p", "h1", "h2") and {"p", "span", "h1", "h2"} & set(
            element.ancestors
        ):
            self.problems.append(f"<{tag}> stands inside {' > '.join(element.ancestors[-3:])}")
        if tag == "li" and (not element.ancestors or element.ancestors[-1] not in ("ul", "ol")):
            self.problems.append("<li> stands outside of a list")
        if form is not None and "name" in element.attributes:
            form.fields.append(element.attributes["name"])
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID or not self.open or self.open[-1].tag != tag:
            self.problems.append(f"</{tag}> closes {self.open[-1].tag if self.open else 'nothing'}")
            return
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data


def lint(app: Flask, html: str, *, fragment: bool = False) -> list[str]:
    """Return everything that is wrong with a page, or with a fragment; an empty list is a clean bill."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    problems = reader.problems + [f"<{element.tag}> is never closed" for element in reader.open]
    if "[ERROR]" in html or "Undefined" in html:
        problems.append("a template left a variable undefined")
    if not fragment:
        problems += _page_problems(reader.elements)
    ids = [element.attributes["id"] for element in reader.elements if "id" in element.attributes]
    problems += [f"the id {one} stands {ids.count(one)} times" for one in sorted(set(ids)) if ids.count(one) > 1]
    for element in reader.elements:
        problems += _element_problems(app, element, reader.elements, frozenset(ids), fragment)
    return problems


def _page_problems(elements: list[Element]) -> list[str]:
    tags = [element.tag for element in elements]
    found = [
        f"{tags.count(tag)} <{tag}> elements instead of one" for tag in ("h1", "main", "body") if tags.count(tag) != 1
    ]
    titles = [element for element in elements if element.tag == "title" and "svg" not in element.ancestors]
    if len(titles) != 1 or not titles[0].text.strip():
        found.append("a page has exactly one title")
    html = [element for element in elements if element.tag == "html"]
    if not html or not html[0].attributes.get("lang"):
        found.append("<html> names no language")
    return found


def _element_problems(
    app: Flask, element: Element, elements: list[Element], ids: frozenset[str], fragment: bool
) -> list[str]:
    attributes, tag = element.attributes, element.tag
    found = [
        f"<{tag}> has the inline attribute {name}" for name in attributes if name == "style" or name.startswith("on")
    ]
    if tag == "style" or (tag == "script" and "src" not in attributes and attributes.get("type") != "application/json"):
        found.append(f"<{tag}> is inline")
    if tag == "img" and "alt" not in attributes:
        found.append("<img> has no alt")
    if tag in ("input", "select", "textarea") and attributes.get("type") not in _UNLABELLED:
        labels = {other.attributes.get("for") for other in elements if other.tag == "label"}
        if attributes.get("id") not in labels and "aria-label" not in attributes:
            found.append(f"<{tag} name={attributes.get('name')}> has no label")
    if tag == "button" and not (element.text.strip() or attributes.get("aria-label")):
        found.append("a button has no words")
    if tag == "form" and attributes.get("method", "get").lower() == "post" and "csrf_token" not in element.fields:
        found.append(f"the form to {attributes.get('action', 'itself')} carries no csrf_token")
    if not fragment:
        for name in REFERENCES:
            found += [f"{name}={one} refers to nothing" for one in attributes.get(name, "").split() if one not in ids]
    return found + _address_problems(app, element, ids, fragment)


def _address_problems(app: Flask, element: Element, ids: frozenset[str], fragment: bool) -> list[str]:
    attributes, found = element.attributes, []
    for name, method in HX_METHODS.items():
        if name not in attributes:
            continue
        if not resolves(app, attributes[name], method):
            found.append(f'{name}="{attributes[name]}" resolves to no view')
        target = attributes.get("hx-target", "")
        if not target:
            found.append(f'{name}="{attributes[name]}" names no target')
        elif target.startswith("#") and not fragment and target[1:] not in ids:
            found.append(f"hx-target={target} refers to nothing")
    if element.tag == "a":
        address = attributes.get("href", "")
        if address.startswith("#") and not fragment and address[1:] not in ids:
            found.append(f"the link {address} refers to nothing")
        elif address.startswith("/") and not resolves(app, address, "GET"):
            found.append(f"the link {address} leads nowhere")
    if element.tag == "form" and not resolves(
        app, attributes.get("action") or "/", attributes.get("method", "get").upper(), blank="action" not in attributes
    ):
        found.append(f"the form to {attributes.get('action')} leads nowhere")
    return found


def resolves(app: Flask, address: str, method: str, *, blank: bool = False) -> bool:
    """Tell whether an address of this site has a view for a method; `blank` stands for the page's own address."""
    if blank:
        return True
    adapter = app.url_map.bind("localhost")
    try:
        adapter.match(urlsplit(address).path, method=method)
    except RequestRedirect:
        return True
    except HTTPException:
        return False
    return True
