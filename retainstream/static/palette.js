// The palette: Ctrl-K opens it over any page. HTMX fetches what fits; here the arrows walk through it and Enter takes it, while the focus stays in the field.
// Elements are looked up when they are needed: a page that comes back from the browser's history brings new ones.
"use strict";

// What the hits answer, null while they are exchanged. An Enter that comes before what was typed has its answer waits for it: it never takes what
// fitted an earlier text.
const asking = { answered: null, entered: false };

const palette = () => document.getElementById("palette");
const field = () => document.getElementById("palette-q");
const hits = () => [...document.querySelectorAll("#palette-list .hit")];
const chosen = () => document.querySelector("#palette-list .hit[aria-selected=true]");
const inField = (event) => event.target instanceof Element && event.target.id === "palette-q";

function choose(hit) {
  const before = chosen();
  if (before) before.setAttribute("aria-selected", "false");
  if (!hit) {
    field().removeAttribute("aria-activedescendant");
    return;
  }
  hit.setAttribute("aria-selected", "true");
  field().setAttribute("aria-activedescendant", hit.id);
  hit.scrollIntoView({ block: "nearest" });
}

function walkHits(by) {
  const all = hits();
  if (!all.length) return;
  const place = all.indexOf(chosen());
  const next = place < 0 ? (by > 0 ? 0 : all.length - 1) : (place + by + all.length) % all.length;
  choose(all[next]);
}

function openPalette() {
  closeMenus();
  palette().showModal();
  field().select();
  asking.answered = null;
  field().dispatchEvent(new Event("shown"));
}

function tell() {
  const count = hits().length;
  field().setAttribute("aria-expanded", String(count > 0));
  document.getElementById("palette-said").textContent = count ? `${count} found` : "Nothing found";
}

document.addEventListener("keydown", (event) => {
  if (!palette() || event.key.toLowerCase() !== "k" || event.shiftKey || event.altKey || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  if (palette().open) palette().close();
  else if (!document.querySelector("dialog[open]")) openPalette();
});

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest("#find")) {
    event.preventDefault();
    openPalette();
  } else if (event.target.closest("#palette-found a.hit")) {
    // A link to a place on the page that lies beneath leaves nothing open above it.
    palette().close();
  }
});

document.addEventListener("input", (event) => {
  if (inField(event)) asking.entered = false;
});

document.addEventListener("keydown", (event) => {
  if (!inField(event)) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    walkHits(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter" && !event.isComposing) {
    event.preventDefault();
    if (field().value.trim() && asking.answered !== field().value) asking.entered = true;
    else if (chosen()) chosen().click();
  }
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.target.id === "palette-found") asking.answered = null;
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "palette-found") return;
  asking.answered = event.detail.requestConfig.parameters.q;
  choose(field().value.trim() ? hits()[0] : null);
  tell();
  if (asking.answered !== field().value) return;
  if (asking.entered && chosen()) chosen().click();
  asking.entered = false;
});

document.addEventListener("pointermove", (event) => {
  const hit = event.target instanceof Element && event.target.closest("#palette-found .hit");
  if (hit && hit !== chosen()) choose(hit);
});

// The event of a dialog that closes does not rise, so it is caught on its way down.
document.addEventListener(
  "close",
  (event) => {
    if (event.target.id === "palette") asking.entered = false;
  },
  true,
);
