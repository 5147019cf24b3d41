// What happens around a decision that htmx sends, and around the whitelist dialog that it fetches.
import { prepare, release } from "./cards.js";
import { announce } from "./announce.js";
import { complain, open } from "./dialog.js";
import * as session from "./session.js";

function cardOf(form) {
  const id = form?.closest("[data-for]")?.dataset.for;
  return id ? document.getElementById(`card-${id}`) : form?.closest("[data-card]");
}

function failed(event, text) {
  const source = event.detail.elt;
  if (event.detail.xhr?.status === 401) session.end();
  if (source.dataset?.action === "whitelist") {
    window.location.assign(source.href);
    return;
  }
  const dialog = source.closest?.("dialog");
  if (dialog) complain(dialog, text);
}

/** After the answer took the card's place: say it, move on to the next card, let this one go. */
function decided(card) {
  prepare(card);
  const waits = card.dataset.state === "pending";
  announce(waits ? "The card was updated." : `${card.querySelector("[data-state-badge]")?.textContent ?? "Decided"}.`);
  if (!waits) {
    card.dataset.settled = "";
    release(card);
  }
  const following = [];
  for (let next = card.nextElementSibling; next; next = next.nextElementSibling) following.push(next);
  const next = following.find((item) => item.matches('[data-card][data-state="pending"]'));
  (waits ? card : next ?? card).focus({ preventScroll: true });
  document.dispatchEvent(new CustomEvent("expacti:decided"));
}

function preview(form) {
  form.querySelector("#whitelist-preview")?.dispatchEvent(new Event("preview"));
}

let typing = 0;

function whitelistInput(event) {
  const form = event.target.closest?.('form[data-decide="whitelist"]');
  if (!form || event.target.closest("#whitelist-preview") || event.target.name === "reason") return;
  const pattern = form.querySelector("[name=pattern]");
  if (event.target.name === "variant") {
    pattern.value = event.target.dataset.pattern;
    if (event.target.dataset.kind) form.querySelector("[name=kind]").value = event.target.dataset.kind;
  } else if (event.target === pattern) {
    for (const radio of form.querySelectorAll("[name=variant]")) radio.checked = radio.dataset.pattern === pattern.value;
  }
  clearTimeout(typing);
  typing = setTimeout(() => preview(form), 350);
}

export function start() {
  document.addEventListener("input", whitelistInput);
  document.addEventListener("htmx:beforeRequest", (event) => {
    const card = event.detail.elt.dataset?.decide ? cardOf(event.detail.elt) : null;
    if (card) card.dataset.sending = "";
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const card = event.detail.elt.dataset?.decide ? cardOf(event.detail.elt) : null;
    if (card) delete card.dataset.sending;
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // A sign-in page that came by way of a redirect must not land in a card.
    const { xhr, target } = event.detail;
    const wanted = { "dialog-slot": "<dialog", "whitelist-preview": "" }[target.id] ?? "data-card";
    if (event.detail.shouldSwap && !xhr.responseText.includes(wanted)) {
      event.detail.shouldSwap = false;
      session.end();
    } else if (event.detail.shouldSwap && /<html[\s>]/i.test(xhr.responseText)) {
      event.detail.shouldSwap = false;
      session.end();
    }
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const { target, elt } = event.detail;
    if (target.id === "dialog-slot") {
      const dialog = target.querySelector("dialog[data-open-now]");
      if (!dialog) return;
      delete dialog.dataset.openNow;
      prepare(dialog);
      open(dialog);
      (dialog.querySelector("[name=variant]:checked") ?? dialog.querySelector("[name=pattern]"))?.focus();
      return;
    }
    const card = elt.matches?.("[data-card]") ? elt : document.getElementById(target.id);
    if (card?.matches("[data-card]")) decided(card);
  });
  document.addEventListener("htmx:responseError", (event) => failed(event, "The server did not take this. Nothing was decided; try again."));
  document.addEventListener("htmx:sendError", (event) => failed(event, "The server could not be reached, so the decision may not have arrived. Look at the command before you try again."));
  document.addEventListener("htmx:timeout", (event) => failed(event, "No answer yet, so the decision may not have arrived. Look at the command before you try again."));
}
