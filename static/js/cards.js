// The cards of the queue: put in place, replaced, settled and removed without disturbing what a person is doing.
import { announce } from "./announce.js";
import { tick, learnServerClock } from "./countdown.js";
import { anyOpen, invalidate, onClosed, openAbout } from "./dialog.js";
import { localise } from "./timezone.js";
import { wrap } from "./wrap.js";

const outcomes = {
  approved: ["Approved", "Approved; the agent may run it now."],
  released: ["Running", "The agent took it and is running it."],
  executed: ["Ran", "It has run."],
  denied: ["Denied", "Denied."],
  expired: ["Expired", "Expired before it was decided. It did not run."],
  cancelled: ["Cancelled", "The agent took it back."],
  gone: ["Decided", "No longer waiting."],
};
const lingerMs = 3500;
const longestLingerMs = 12_000;

const later = new Map(); // command id -> what to do once its dialog is closed

export const list = () => document.getElementById("queue-cards");
export const find = (id) => document.getElementById(`card-${id}`) ?? document.querySelector(`[data-detail][data-id="${CSS.escape(id)}"]`);
export const pending = () => [...document.querySelectorAll('#queue-cards > [data-card][data-state="pending"]')];

export function parse(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

/** What new elements need: htmx, local times, countdowns. */
export function prepare(element) {
  window.htmx?.process(element);
  localise(element);
  wrap(element);
  learnServerClock(element);
  tick(element);
}

function same(a, b) {
  return a.dataset.version === b.dataset.version && a.dataset.digest === b.dataset.digest && a.dataset.state === b.dataset.state;
}

/** Puts the focus where it was, on the new copy of a card. */
function refocus(card, key) {
  if (key === null) return;
  (key && card.querySelector(key) ? card.querySelector(key) : card).focus({ preventScroll: true });
}

function focusKey(card) {
  const active = document.activeElement;
  if (!card.contains(active)) return null;
  if (active.dataset.action) return `[data-action="${active.dataset.action}"]`;
  if (active.dataset.openDetail !== undefined) return "[data-open-detail]";
  return "";
}

function replace(old, fresh) {
  const key = focusKey(old);
  if (old.dataset.selected !== undefined) fresh.dataset.selected = "";
  const openDetails = old.querySelector("details.env")?.open;
  old.replaceWith(fresh);
  const details = fresh.querySelector("details.env");
  if (details && openDetails !== undefined) details.open = openDetails;
  prepare(fresh);
  refocus(fresh, key);
}

/** Takes a fresh copy of a card: new, replaced, or held back while its dialog is open. Returns true if it is new. */
export function upsert(fresh, after = undefined) {
  const id = fresh.dataset.id;
  const old = document.getElementById(fresh.id);
  if (old) {
    if (same(old, fresh) || Number(fresh.dataset.version) < Number(old.dataset.version)) return false;
    const dialog = openAbout(id);
    if (dialog && old.dataset.sending === undefined) {
      invalidate(dialog, "This command changed while you were reading it. Close this and look again before you decide.");
      later.set(id, () => replace(old, fresh));
    } else if (!dialog) replace(old, fresh);
    return false;
  }
  list().querySelector("[data-empty]")?.remove();
  place(fresh, after);
  fresh.classList.add("is-new");
  prepare(fresh);
  return true;
}

/** Oldest first, unless the server's order says after which card it goes. */
function place(fresh, after) {
  if (after !== undefined) {
    if (after) after.after(fresh);
    else list().prepend(fresh);
    return;
  }
  const created = Date.parse(fresh.dataset.created);
  const next = [...list().querySelectorAll(":scope > [data-card]")].find((card) => Date.parse(card.dataset.created) > created);
  if (next) next.before(fresh);
  else list().append(fresh);
}

/** Shows that a command is decided, then lets the card go. */
export function settle(card, state, { quiet = false } = {}) {
  if (card.dataset.settled !== undefined) return;
  card.dataset.settled = "";
  const [label, sentence] = outcomes[state] ?? outcomes.gone;
  card.dataset.state = state;
  const badge = card.querySelector("[data-state-badge]");
  if (badge) {
    badge.textContent = label;
    badge.className = `badge badge--${state}`;
  }
  card.querySelector(".card__clock .clock")?.remove();
  const foot = card.querySelector(".card__foot");
  if (foot) {
    const held = foot.contains(document.activeElement);
    const line = document.createElement("p");
    line.className = "cannot";
    line.textContent = sentence;
    foot.replaceChildren(line);
    if (held) card.focus({ preventScroll: true });
  }
  const dialog = openAbout(card.dataset.id);
  if (dialog && card.dataset.sending === undefined) invalidate(dialog, `${["approved", "denied"].includes(state) ? "Somebody else decided while you were reading." : "Nothing to decide any more."} ${sentence}`);
  if (!quiet) announce(`${card.dataset.agent} on ${card.dataset.host}: ${sentence}`);
  release(card);
}

/** Removes a settled card after a moment, never while a dialog is open or the pointer is on a button. */
export function release(card, waited = 0) {
  const id = card.dataset.id;
  setTimeout(() => {
    if (!card.isConnected || card.dataset.detail !== undefined) return;
    const aiming = list()?.querySelector(".card__foot:hover") && waited < longestLingerMs;
    if (anyOpen() || aiming) {
      release(card, waited + 1000);
      return;
    }
    later.delete(id);
    leave(card);
  }, waited ? 1000 : lingerMs);
}

function leave(card) {
  const next = card.nextElementSibling ?? card.previousElementSibling;
  const held = card.contains(document.activeElement);
  card.classList.add("is-leaving");
  setTimeout(() => {
    card.remove();
    if (held) (next?.matches("[data-card]") ? next : document.getElementById("main")).focus({ preventScroll: true });
    document.dispatchEvent(new CustomEvent("expacti:left"));
  }, 320);
}

/** The whole list from the server, laid over the one on the page. Returns the cards that are new. */
export function reconcile(incoming) {
  const fresh = [...incoming.querySelectorAll(":scope > [data-card]")];
  const ids = new Set(fresh.map((card) => card.id));
  learnServerClock(incoming);
  for (const card of list().querySelectorAll(":scope > [data-card]")) {
    if (!ids.has(card.id) && card.dataset.settled === undefined) settle(card, "gone", { quiet: true });
  }
  const added = [];
  let last = null;
  for (const card of fresh) {
    const adopted = document.adoptNode(card);
    if (upsert(adopted, last)) added.push(adopted);
    last = document.getElementById(card.id) ?? last;
  }
  if (!fresh.length && !list().querySelector("[data-card]")) {
    const empty = incoming.querySelector("[data-empty]");
    if (empty && !list().querySelector("[data-empty]")) list().replaceChildren(document.adoptNode(empty));
  }
  return added;
}

export function start() {
  onClosed((dialog) => {
    const id = dialog.dataset.for ?? dialog.closest("[data-card]")?.dataset.id;
    const action = later.get(id);
    if (!action) return;
    later.delete(id);
    action();
  });
}
