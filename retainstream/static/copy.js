// Copy buttons beside secrets that are shown once. Without this script the buttons stay hidden and a click into the text selects all of it.
"use strict";

function select(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  const selection = window.getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

async function copy(node) {
  select(node);
  // The clipboard is for pages on HTTPS or on this machine; elsewhere the old command copies what is selected.
  if (navigator.clipboard) await navigator.clipboard.writeText(node.textContent);
  else if (!document.execCommand("copy")) throw new Error("not allowed");
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const word = button.textContent;
      try {
        await copy(document.getElementById(button.dataset.copy));
        button.textContent = "Copied";
      } catch {
        button.textContent = "Press Ctrl-C";
      }
      window.setTimeout(() => (button.textContent = word), 2500);
    });
  });
});
