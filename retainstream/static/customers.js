// The list of customers works without this: here are the slash that reaches its search, j and k between rows, x for their ticks, and ticks for a whole page.
"use strict";

const ROW_LINK = "#customers .who__id[href]";

function ticks() {
  return [...document.querySelectorAll("#customers input[name=user_id]")];
}

function sayTicked() {
  const all = document.getElementById("tick-page");
  const said = document.getElementById("ticked");
  const boxes = ticks();
  const count = boxes.filter((box) => box.checked).length;
  if (said) {
    said.hidden = count === 0;
    said.textContent = `${count} ticked`;
  }
  if (all) {
    all.hidden = false;
    all.checked = boxes.length > 0 && count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
  }
}

function step(by) {
  const links = [...document.querySelectorAll(ROW_LINK)];
  const here = document.activeElement.closest("tr");
  const place = links.findIndex((link) => link.closest("tr") === here);
  const next = links[place < 0 ? 0 : Math.min(links.length - 1, Math.max(0, place + by))];
  if (next) next.focus();
}

function tick() {
  const box = document.activeElement.closest("#customers tr")?.querySelector("input[name=user_id]");
  if (!box) return;
  box.checked = !box.checked;
  sayTicked();
}

document.addEventListener("change", (event) => {
  if (event.target.id === "tick-page") ticks().forEach((box) => (box.checked = event.target.checked));
  if (event.target.closest("#customers")) sayTicked();
});

document.addEventListener("keydown", (event) => {
  if (!mayUseSingleKey(event)) return;
  if (event.key === "/") {
    event.preventDefault();
    const search = document.getElementById("q");
    if (search) search.select();
  } else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
  else if (event.key === "x") tick();
});

document.addEventListener("htmx:afterSettle", sayTicked);
document.addEventListener("DOMContentLoaded", sayTicked);
