// j k Enter a d w ? / Esc. Never while typing, never with a modifier, and a held key counts once.
import { list } from "./cards.js";
import { anyOpen, open } from "./dialog.js";

const cards = () => [...(list()?.querySelectorAll(":scope > [data-card]") ?? [])];

function current() {
  const detail = document.querySelector("[data-detail]");
  if (detail) return detail;
  const focused = document.activeElement?.closest("[data-card]");
  if (focused) return focused;
  const chosen = document.querySelector("[data-card][data-selected]");
  if (chosen) return chosen;
  const all = cards();
  return all.length === 1 ? all[0] : null;
}

function choose(card) {
  for (const other of document.querySelectorAll("[data-selected]")) delete other.dataset.selected;
  if (!card) return;
  card.dataset.selected = "";
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

function move(step) {
  const all = cards();
  if (!all.length) return;
  const at = all.indexOf(document.activeElement?.closest("[data-card]") ?? document.querySelector("[data-selected]"));
  choose(all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step))]);
}

function act(action) {
  const card = current();
  if (!card) return move(1);
  if (card.dataset.detail === undefined) choose(card);
  card.querySelector(`[data-action="${action}"]`)?.click();
  return undefined;
}

function search() {
  const field = document.querySelector("[data-search]");
  if (field) {
    field.focus();
    field.select();
  } else document.querySelector('.nav a[href*="/commands"]')?.click();
}

const help = () => open(document.getElementById("keyboard-dialog"));

const keys = { j: () => move(1), k: () => move(-1), a: () => act("approve"), d: () => act("deny"), w: () => act("whitelist"), "?": help, "/": search };

function inDialog(event, dialog) {
  if (dialog.dataset.dialog === "approve" && event.key.toLowerCase() === "a") {
    const submit = dialog.querySelector("[data-decide-submit]:not(:disabled)");
    if (submit) {
      event.preventDefault();
      submit.focus();
    }
  }
}

function typingIn(target) {
  return target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=submit])");
}

function escape() {
  const menu = document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else choose(null);
}

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const dialog = anyOpen();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && dialog && event.target.matches("textarea")) {
      event.preventDefault();
      const submit = dialog.querySelector("[data-decide-submit]:not(:disabled)");
      if (submit) submit.form.requestSubmit(submit);
      return;
    }
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || typingIn(event.target)) return;
    if (dialog) {
      inDialog(event, dialog);
      return;
    }
    if (event.key === "Escape") escape();
    else if (event.key === "Enter" && event.target.matches("[data-card]")) event.target.querySelector("[data-open-detail]")?.click();
    else if (Object.hasOwn(keys, event.key)) {
      event.preventDefault();
      keys[event.key]();
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keyboard-help]")) help();
  });
  document.addEventListener("focusin", (event) => {
    const card = event.target.closest?.("[data-card]");
    const chosen = document.querySelector("[data-selected]");
    if (chosen && card && card !== chosen) delete chosen.dataset.selected;
  });
}
