// The palette: Ctrl-K opens it over any page. HTMX fetches what fits; here the arrows walk through it and Enter takes it, while the focus stays in the field.
"use strict";

const PALETTE = {
  dialog: document.getElementById("palette"),
  field: document.getElementById("palette-q"),
  said: document.getElementById("palette-said"),
  // An Enter that comes before what was typed has its answer waits for it: it never takes what fitted an earlier text.
  stale: true,
  entered: false,
};

const hits = () => [...document.querySelectorAll("#palette-list .hit")];
const chosen = () => document.querySelector("#palette-list .hit[aria-selected=true]");

function choose(hit) {
  const before = chosen();
  if (before) before.setAttribute("aria-selected", "false");
  if (!hit) {
    PALETTE.field.removeAttribute("aria-activedescendant");
    return;
  }
  hit.setAttribute("aria-selected", "true");
  PALETTE.field.setAttribute("aria-activedescendant", hit.id);
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
  PALETTE.dialog.showModal();
  PALETTE.field.select();
  PALETTE.stale = true;
  PALETTE.field.dispatchEvent(new Event("shown"));
}

function tell() {
  const count = hits().length;
  PALETTE.field.setAttribute("aria-expanded", String(count > 0));
  PALETTE.said.textContent = count ? `${count} found` : "Nothing found";
}

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || event.shiftKey || event.altKey || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  if (PALETTE.dialog.open) PALETTE.dialog.close();
  else if (!document.querySelector("dialog[open]")) openPalette();
});

document.getElementById("find").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openPalette();
});

PALETTE.field.addEventListener("input", () => {
  PALETTE.stale = true;
  PALETTE.entered = false;
});

PALETTE.field.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    walkHits(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter" && !event.isComposing) {
    event.preventDefault();
    if (PALETTE.stale && PALETTE.field.value.trim()) PALETTE.entered = true;
    else if (chosen()) chosen().click();
  }
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.id !== "palette-found") return;
  PALETTE.stale = false;
  choose(PALETTE.field.value.trim() ? hits()[0] : null);
  tell();
  if (PALETTE.entered && chosen()) chosen().click();
  PALETTE.entered = false;
});

// A link to a place on the page that lies beneath leaves nothing open above it.
document.getElementById("palette-found").addEventListener("click", (event) => {
  if (event.target.closest("a.hit") && !event.ctrlKey && !event.metaKey) PALETTE.dialog.close();
});

document.getElementById("palette-found").addEventListener("pointermove", (event) => {
  const hit = event.target.closest(".hit");
  if (hit && hit !== chosen()) choose(hit);
});

PALETTE.dialog.addEventListener("close", () => {
  PALETTE.entered = false;
});
