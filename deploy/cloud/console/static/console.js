// What htmx leaves open: a question is a dialog, nothing moves while somebody reads, and silence is told.
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

// A part is not drawn anew while a table in it or a question is open, or the page is out of sight.
document.addEventListener("htmx:beforeRequest", (event) => {
  const polls = event.target.matches("[hx-trigger^=every]");
  const still = document.hidden || document.querySelector("details[open], dialog[open]");
  if (polls && still) event.preventDefault();
});

const silent = (is) => () => (document.getElementById("silent").hidden = !is);
document.addEventListener("htmx:sendError", silent(true));
document.addEventListener("htmx:responseError", silent(true));
document.addEventListener("htmx:afterOnLoad", silent(false));
