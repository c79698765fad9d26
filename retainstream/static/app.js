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

const TYPING = "input, textarea, select, [contenteditable]";

function closeMenus(except) {
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (menu !== except) menu.open = false;
  });
}

document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const open = document.querySelector("details.menu[open]");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    } else dismiss(document.querySelector(".toast"));
  }
  const search = document.getElementById("search");
  const wanted = (event.key === "/" && !event.target.closest(TYPING)) || (event.key === "k" && (event.ctrlKey || event.metaKey));
  if (search && wanted && !(event.key === "/" && (event.ctrlKey || event.metaKey || event.altKey))) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});

document.addEventListener("submit", (event) => {
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
  document.querySelectorAll("button[aria-busy=true]").forEach((button) => button.removeAttribute("aria-busy"));
});

document.addEventListener("htmx:afterSwap", mindAllToasts);
document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.target.closest("form");
  if (form) form.querySelectorAll("button[aria-busy=true]").forEach((button) => button.removeAttribute("aria-busy"));
});
document.addEventListener("DOMContentLoaded", () => {
  mindAllToasts();
  // A form that came back with complaints puts the keyboard on the first of them.
  const wrong = document.querySelector("[aria-invalid=true]");
  if (wrong) wrong.focus();
});
