// The editor of a health scheme works without this: here is the sum of the weights as they are typed.
"use strict";

function sayWeights() {
  const sum = document.getElementById("sum");
  if (!sum) return;
  const typed = [...document.querySelectorAll("[data-weight]")].map((one) => Number(one.value.replace(",", ".")));
  const total = typed.reduce((all, one) => all + (Number.isFinite(one) ? one : 0), 0);
  sum.textContent = String(Math.round(total * 100) / 100);
  sum.classList.toggle("health-editor__sum--off", total !== Number(sum.dataset.of));
}

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-weight]")) sayWeights();
});
sayWeights();
