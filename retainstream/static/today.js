// Today works without this: here are the keys. j and k walk the rows and open what they stand on; every other key presses the button, or enters the
// field, that carries it. A key never acts on an entry that is still on its way: it waits until the entry of the row with the focus is there.
"use strict";

const STEP_MS = 90;
let waiting = null;
let timer = 0;
let onTheWay = "";
const typed = new Map();

const entryOf = () => document.getElementById("entry");
const rowOf = (user) => [...document.querySelectorAll("#queue .row")].find((row) => row.dataset.user === user);
const ticks = () => [...document.querySelectorAll("#queue .row__tick:checked")];

function standing() {
  const focused = document.activeElement?.closest?.("#queue .row");
  return focused || rowOf(entryOf()?.dataset.user);
}

// The row that is open, and how many are ticked, said again after every change.
function show() {
  const user = entryOf()?.dataset.user;
  document.querySelectorAll("#queue .row__link").forEach((link) => {
    if (link.closest(".row").dataset.user === user) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  });
  const count = ticks().length;
  const said = document.getElementById("ticked");
  if (said) said.textContent = count ? `${count} ticked` : "";
}

function walk(by) {
  const links = [...document.querySelectorAll("#queue .row__link")];
  if (!links.length) return;
  const focused = document.activeElement?.closest?.("#queue .row");
  const here = focused || (by > 0 ? null : standing());
  const place = links.findIndex((link) => link.closest(".row") === here);
  const next = links[place < 0 ? 0 : Math.min(links.length - 1, Math.max(0, place + by))];
  next.focus();
  const user = next.closest(".row").dataset.user;
  window.clearTimeout(timer);
  waiting = null;
  onTheWay = user === entryOf()?.dataset.user ? "" : user;
  if (onTheWay) timer = window.setTimeout(() => next.click(), STEP_MS);
}

function tick() {
  const box = standing()?.querySelector(".row__tick");
  if (!box) return;
  box.checked = !box.checked;
  show();
}

function use(key) {
  const many = key === "a" && ticks().length > 0;
  const within = key === "u" ? "#today" : many ? "#bulk" : "#entry";
  const found = document.querySelector(`${within} [data-key="${CSS.escape(key)}"]`);
  if (!found) return;
  if (found.matches("button")) found.click();
  else if (found.matches("summary")) {
    found.parentElement.open = true;
    found.parentElement.querySelector("input:not([type=hidden]), select")?.focus();
  } else if (found.matches("input[type=radio]")) {
    found.checked = true;
    document.getElementById("reason").focus();
  } else found.focus();
}

function backToRow() {
  const row = rowOf(entryOf()?.dataset.user);
  (row || document).querySelector("#queue .row__link, .row__link")?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.closest("#entry") && !document.querySelector("dialog[open]")) {
    backToRow();
    return;
  }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("textarea")) {
    event.preventDefault();
    event.target.form.requestSubmit();
    return;
  }
  if (event.key === "Enter" && event.target.matches("#queue .row__link[aria-current]")) {
    event.preventDefault();
    document.getElementById("entry-title")?.focus();
    return;
  }
  if (!mayUseSingleKey(event)) return;
  if (event.key === "j" || event.key === "k") walk(event.key === "j" ? 1 : -1);
  else if (event.key === "x") tick();
  else if (event.key === "o") document.querySelector("#entry-title a")?.click();
  else if ("aseSn1234u".includes(event.key)) {
    event.preventDefault();
    if (onTheWay && event.key !== "u") waiting = event.key;
    else use(event.key);
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches(".row__tick")) show();
});

// What was typed and not sent yet is there again when its entry is: walking on must not cost anybody a note.
document.addEventListener("htmx:beforeSwap", (event) => {
  const entry = entryOf();
  if (!entry || !event.detail.shouldSwap || event.detail.target.id === "toasts") return;
  const sent = event.detail.requestConfig?.elt;
  const kept = {};
  ["note", "reason"].forEach((id) => {
    const field = document.getElementById(id);
    if (field?.value && field.form !== sent) kept[id] = field.value;
  });
  typed.set(entry.dataset.user, kept);
});

function putBack(user) {
  Object.entries(typed.get(user) || {}).forEach(([id, text]) => {
    const field = document.getElementById(id);
    if (field && !field.value) field.value = text;
  });
}

document.addEventListener("htmx:afterSettle", (event) => {
  const entry = entryOf();
  if (!entry) return;
  show();
  putBack(entry.dataset.user);
  if (event.detail.target.id === "entry" || event.target.id === "entry") {
    if (entry.dataset.user === onTheWay) onTheWay = "";
    // On a phone the entry stands above the list once somebody chose it.
    document.getElementById("desk-columns").classList.add("desk-columns--open");
    if (window.matchMedia("(max-width: 900px)").matches) entry.scrollIntoView({ block: "start" });
    if (waiting && !onTheWay) {
      const key = waiting;
      waiting = null;
      use(key);
    }
  } else {
    // The whole page came anew after an act: the keyboard goes on where the list does, or to the field that is complained of.
    onTheWay = "";
    waiting = null;
    const wrong = document.querySelector("#entry [aria-invalid=true]");
    if (wrong) wrong.focus();
    else backToRow();
  }
});

// An entry that could not be fetched leaves no key waiting for it.
document.addEventListener("htmx:responseError", () => {
  onTheWay = "";
  waiting = null;
});

document.addEventListener("DOMContentLoaded", () => {
  show();
  if (new URLSearchParams(window.location.search).has("open") && !document.querySelector("[aria-invalid=true]")) {
    rowOf(entryOf()?.dataset.user)?.querySelector(".row__link").focus({ preventScroll: true });
  }
});
