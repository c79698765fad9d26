// Dropping a file onto the page, and looking at it as soon as it is chosen. Without this script the same form is filled in by hand.
"use strict";

(() => {
  const form = document.querySelector("form.upload");
  const zone = form && form.querySelector("[data-drop]");
  if (!zone) return;
  const input = form.querySelector("input[type=file]");
  const words = zone.querySelector("[data-drop-words]");
  const problem = document.getElementById("upload-problem");
  const limit = Number(form.dataset.maxMb);

  function complain(text) {
    const notice = document.createElement("div");
    notice.className = "notice notice--bad";
    notice.setAttribute("role", "alert");
    const line = document.createElement("p");
    line.textContent = text;
    notice.append(line);
    problem.replaceChildren(notice);
  }

  function send() {
    const file = input.files[0];
    if (!file) return;
    if (file.size > limit * 1024 * 1024) {
      complain(`${file.name} is larger than the limit of ${limit.toLocaleString("en-GB")} MB. Compressed as .gz or .zip it may fit.`);
      input.value = "";
      return;
    }
    problem.replaceChildren();
    words.textContent = `Looking at ${file.name} …`;
    zone.classList.add("drop--busy");
    form.requestSubmit(form.querySelector("button[type=submit]"));
  }

  input.addEventListener("change", send);
  // A file may have been chosen before this script came; whoever came back by history is not sent away again.
  const [arrival] = performance.getEntriesByType("navigation");
  if (arrival && arrival.type === "navigate") send();

  let depth = 0;
  form.addEventListener("dragenter", (event) => {
    event.preventDefault();
    depth += 1;
    zone.classList.add("drop--over");
  });
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("dragleave", () => {
    depth -= 1;
    if (depth <= 0) zone.classList.remove("drop--over");
  });
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    zone.classList.remove("drop--over");
    const { files } = event.dataTransfer;
    if (files.length > 1) complain("One file at a time, please: each becomes an import of its own.");
    if (files.length !== 1) return;
    input.files = files;
    send();
  });

  // Back from the preview: the words must not still say that a file is being looked at.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    words.textContent = "Drop a file here, or choose one";
    zone.classList.remove("drop--busy");
  });
})();
