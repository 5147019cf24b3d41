// The WebSocket of reviewers. It only says that something changed; what is shown always comes from the server's HTML.
import { announce } from "./announce.js";
import { find, list, parse, pending, reconcile, settle, upsert } from "./cards.js";
import { onExpired, setServerNow } from "./countdown.js";
import { arrived } from "./notify.js";
import * as session from "./session.js";

const firstDelayMs = 1000;
const longestDelayMs = 30_000;
const safetyResyncMs = 60_000;
const countEveryMs = 2000;
const endedCodes = new Set([4401, 4403, 1008]);

const nobody = "00000000-0000-0000-0000-000000000000";
const queue = document.querySelector("[data-queue]");
const plainTitle = document.title.replace(/^\(\d+\) /, "");
const labels = { connecting: "Connecting…", live: "Live", reconnecting: "Reconnecting…", offline: "Offline", ended: "Signed out" };

let socket = null;
let attempts = 0;
let retry = 0;
let asking = 0;
let count = 0;
let work = Promise.resolve(); // one change after the other, in the order in which they were told

function show(state) {
  const pill = document.getElementById("live-pill");
  if (!pill || pill.dataset.liveState === state) return;
  pill.dataset.liveState = state;
  pill.textContent = labels[state];
}

function setCount(value) {
  count = Math.max(0, value);
  const badge = document.querySelector("[data-pending-count]");
  if (badge) {
    badge.dataset.count = String(count);
    badge.querySelector("[data-pending-number]").textContent = String(count);
  }
  if (queue) document.title = count ? `(${count}) ${plainTitle}` : plainTitle;
}

function recount() {
  if (queue) setCount(pending().length);
}

/** A fragment of a page; null when it is gone. Ends the session when the answer is somebody's sign-in page. */
async function fragment(url, selector) {
  const answer = await fetch(url, { credentials: "same-origin", cache: "no-store", redirect: "manual", headers: { "X-Requested-With": "XMLHttpRequest", "HX-Request": "true" } });
  if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) {
    session.end();
    return null;
  }
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  return parse(await answer.text()).querySelector(selector);
}

export async function resync() {
  if (!queue || session.hasEnded()) return;
  const known = new Set(pending().map((card) => card.id));
  const incoming = await fragment(queue.dataset.listUrl, "#queue-cards");
  if (!incoming) return;
  const added = reconcile(incoming).filter((card) => !known.has(card.id));
  recount();
  if (added.length) tell(added);
}

function tell(cards) {
  const [first] = cards;
  announce(cards.length === 1 ? `New command from ${first.dataset.agent} on ${first.dataset.host}.` : `${cards.length} new commands.`);
  arrived(cards.map((card) => ({ agent: card.dataset.agent, host: card.dataset.host })));
}

async function changedPending(id, version) {
  const card = find(id);
  if (card && version !== undefined && Number(card.dataset.version) >= version) return;
  const fresh = await fragment(queue.dataset.cardUrl.replace(nobody, id), "[data-card]");
  if (!fresh) return;
  const adopted = document.adoptNode(fresh);
  if (adopted.dataset.state !== "pending") {
    const old = find(id);
    if (old) settle(old, adopted.dataset.state);
  } else if (upsert(adopted)) tell([adopted]);
}

/** On a command's own page: say that it changed, and let the person load it again. */
function changedDetail(card, message) {
  if (message.version !== undefined && Number(card.dataset.version) >= message.version && card.dataset.state === message.state) return;
  const notice = card.querySelector("[data-card-notice]");
  if (notice) {
    notice.querySelector("[data-card-notice-text]").textContent = "This command changed since the page was loaded.";
    notice.hidden = false;
  }
  settle(card, message.state === "pending" ? "gone" : message.state);
}

async function changed(message) {
  const card = find(message.id);
  if (card?.dataset.detail !== undefined) {
    changedDetail(card, message);
    return;
  }
  if (queue) {
    if (message.state === "pending") await changedPending(message.id, message.version);
    else if (card) settle(card, message.state);
    recount();
    return;
  }
  if (typeof message.pending === "number") counted(message.pending);
  else askForCount();
}

function counted(value) {
  if (value > count) arrived([{}]);
  setCount(value);
}

/** Pages without the queue keep only the number: asked for at most once in a while. */
function askForCount() {
  if (asking || document.hidden) return;
  asking = setTimeout(() => {
    asking = 0;
    enqueue(async () => {
      const cards = await fragment(document.body.dataset.listUrl, "#queue-cards");
      if (cards) counted(cards.querySelectorAll(':scope > [data-card][data-state="pending"]').length);
    });
  }, countEveryMs);
}

function enqueue(task) {
  work = work.then(task).catch((error) => {
    // The next resync puts it right; until then the pill says that we are not live.
    console.warn("expacti: update failed", error);
    show("reconnecting");
    schedule(() => enqueue(() => resync().then(() => socket?.readyState === WebSocket.OPEN && show("live"))));
  });
  return work;
}

let retryFetch = 0;
function schedule(task) {
  clearTimeout(retryFetch);
  retryFetch = setTimeout(task, firstDelayMs * 3 * (1 + Math.random()));
}

function receive(event) {
  let message;
  try {
    message = JSON.parse(event.data);
  } catch {
    return;
  }
  if (message.type === "hello") {
    attempts = 0;
    if (message.server_time) setServerNow(message.server_time);
    if (typeof message.pending === "number") setCount(message.pending);
    show("live");
    enqueue(resync);
  } else if (message.type === "command.changed") enqueue(() => changed(message));
  else if (message.type === "session.ended") session.end();
}

function connect() {
  clearTimeout(retry);
  if (session.hasEnded()) return;
  const url = new URL(document.body.dataset.live, window.location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const mine = new WebSocket(url);
  socket = mine;
  mine.addEventListener("message", receive);
  mine.addEventListener("close", (event) => {
    if (socket !== mine) return; // replaced since
    socket = null;
    if (endedCodes.has(event.code)) session.end();
    if (!session.hasEnded()) retryLater();
  });
}

function retryLater() {
  if (navigator.onLine === false) {
    show("offline");
    return; // "online" starts again
  }
  // Exponential, half of it random, so that a restarted server is not met by everyone at once.
  const delay = Math.min(longestDelayMs, firstDelayMs * 2 ** attempts);
  show(attempts >= 5 ? "offline" : "reconnecting");
  attempts += 1;
  retry = setTimeout(connect, delay / 2 + (Math.random() * delay) / 2);
}

function now() {
  if (session.hasEnded()) return;
  if (socket) enqueue(resync);
  else {
    attempts = 0;
    connect();
  }
}

/** After the network was away a socket may look open and be dead: take a new one. */
function renew() {
  if (session.hasEnded()) return;
  attempts = 0;
  const old = socket;
  socket = null;
  old?.close();
  connect();
}

export function start() {
  const badge = document.querySelector("[data-pending-count]");
  count = Number(badge?.dataset.count ?? 0);
  recount();
  onExpired((card) => {
    settle(card, "expired");
    recount();
  });
  document.addEventListener("expacti:left", () => {
    recount();
    if (queue && !list().querySelector("[data-card]")) enqueue(resync);
  });
  document.addEventListener("expacti:decided", recount);
  if (!document.body.dataset.live) return;
  session.onEnded(() => {
    show("ended");
    clearTimeout(retry);
    socket?.close();
  });
  window.addEventListener("online", renew);
  window.addEventListener("offline", () => show("offline"));
  window.addEventListener("pageshow", (event) => event.persisted && now());
  document.addEventListener("visibilitychange", () => document.hidden || now());
  setInterval(() => {
    if (!document.hidden && queue && !session.hasEnded()) enqueue(resync);
  }, safetyResyncMs);
  connect();
}
