// What htmx leaves open: a question is shown as a dialog, and what somebody opened stays open when a part is drawn anew.
"use strict";

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "ask") event.target.showModal();
});

document.addEventListener("click", (event) => {
  const close = event.target.closest("dialog [data-close]");
  if (!close) return;
  event.preventDefault();
  close.closest("dialog").close();
});

let open = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  open = [...event.target.querySelectorAll("details[open][id]")].map((each) => each.id);
});
document.addEventListener("htmx:afterSettle", () => {
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  open = [];
});
