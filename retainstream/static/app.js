// Small comforts on top of pages that work without them: toasts that go away, and forms that are not sent twice.
"use strict";

const TOAST_MS = 8000;

function dismiss(toast) {
  if (toast) toast.remove();
}

function mindToast(toast) {
  if (toast.dataset.minded) return;
  toast.dataset.minded = "yes";
  if (!toast.classList.contains("toast--bad")) window.setTimeout(() => dismiss(toast), TOAST_MS);
}

function mindAllToasts() {
  document.querySelectorAll(".toast").forEach(mindToast);
}

document.addEventListener("click", (event) => {
  const close = event.target.closest(".toast__close");
  if (close) dismiss(close.closest(".toast"));
});

function closeMenus(except) {
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (menu !== except) menu.open = false;
  });
}

document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));

// Who speaks to the computer, or types by chance, can do without keys that act alone: this browser remembers the choice.
const SINGLE = "single-keys";

function mayUseSingleKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return false;
  if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return false;
  try {
    return window.localStorage.getItem(SINGLE) !== "off";
  } catch {
    return true;
  }
}

function showKeys() {
  const keys = document.getElementById("keys");
  closeMenus();
  if (keys) keys.showModal();
  else window.location.assign("/keys");
}

document.addEventListener("change", (event) => {
  if (event.target.id !== SINGLE) return;
  if (event.target.checked) window.localStorage.removeItem(SINGLE);
  else window.localStorage.setItem(SINGLE, "off");
});

document.addEventListener("click", (event) => {
  if (event.target.matches("dialog")) event.target.close();
});

document.addEventListener("keydown", (event) => {
  // An open dialog closes by itself, and gives the focus back.
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "?" && mayUseSingleKey(event)) {
    event.preventDefault();
    showKeys();
  }
  if (event.key === "Escape") {
    const open = document.querySelector("details.menu[open]");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    } else dismiss(document.querySelector(".toast"));
  }
  const search = document.getElementById("search");
  if (search && event.key === "/" && mayUseSingleKey(event)) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});

document.addEventListener("submit", (event) => {
  if (event.target.method === "dialog") return;
  const button = event.target.querySelector("button[type=submit]");
  if (!button) return;
  if (button.getAttribute("aria-busy") === "true") {
    event.preventDefault();
    return;
  }
  button.setAttribute("aria-busy", "true");
});

// A page that comes back from the browser's history must not keep its button busy.
window.addEventListener("pageshow", () => {
  hand.leaving = false;
  document.querySelectorAll("button[aria-busy=true]").forEach((button) => button.removeAttribute("aria-busy"));
});

// What a page asks for by itself does not exchange what somebody is just pressing (a press that ends on something new is no click), and does not come
// between a click and the page that it leads to. The next round brings it.
const hand = { pressed: false, leaving: false, changed: false };
const LEAVING_MS = 10000;
document.addEventListener("pointerdown", () => (hand.pressed = true), true);
["pointerup", "pointercancel"].forEach((end) => document.addEventListener(end, () => (hand.pressed = false), true));
window.addEventListener("beforeunload", () => {
  // A download leaves the page where it is.
  hand.leaving = true;
  window.setTimeout(() => (hand.leaving = false), LEAVING_MS);
});
document.addEventListener("htmx:beforeOnLoad", (event) => {
  if (!event.detail.requestConfig.triggeringEvent && (hand.pressed || hand.leaving)) event.preventDefault();
});

// Work that has ended leaves new figures. The page shows them at once, unless that would throw away what somebody is writing: then there is a link.
// A page that answers a form, with its complaints, stays as it is: to load it anew would send the form again.
document.addEventListener("input", (event) => {
  if (event.target.form && event.target.form.method === "post") hand.changed = true;
});
document.addEventListener("htmx:afterSettle", () => {
  const ended = document.querySelector("#jobs[data-ended]");
  const kept = hand.changed || "sent" in document.body.dataset;
  if (ended && !kept && !document.querySelector("dialog[open], details.menu[open]")) window.location.reload();
});

document.addEventListener("htmx:afterSwap", mindAllToasts);
document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.target.closest("form");
  if (form && form === event.target && event.detail.successful) hand.changed = false;
  if (form) form.querySelectorAll("button[aria-busy=true]").forEach((button) => button.removeAttribute("aria-busy"));
});
document.addEventListener("DOMContentLoaded", () => {
  mindAllToasts();
  const single = document.getElementById(SINGLE);
  if (single) {
    single.closest("[hidden]").hidden = false;
    try {
      single.checked = window.localStorage.getItem(SINGLE) !== "off";
    } catch {
      single.closest("p").hidden = true;
    }
  }
  // A form that came back with complaints puts the keyboard on the first of them.
  const wrong = document.querySelector("[aria-invalid=true]");
  if (wrong) wrong.focus();
});
