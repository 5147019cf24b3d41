// Countdowns by the server's clock: the offset comes from data-server-now, so a wrong clock here does not lie.
// The server decides on expiry in any case; this only stops offering buttons that would be refused.
let offset = 0; // server minus local, in milliseconds

const listeners = new Set();

/** Called with a card when its time has run out. */
export function onExpired(listener) {
  listeners.add(listener);
}

export function setServerNow(iso) {
  const server = Date.parse(iso);
  if (!Number.isNaN(server)) offset = server - Date.now();
}

export function learnServerClock(root) {
  const element = root.matches?.("[data-server-now]") ? root : root.querySelector("[data-server-now]");
  if (element) setServerNow(element.dataset.serverNow);
}

function words(seconds) {
  if (seconds >= 86400) return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h left`;
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min left`;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} left`;
}

function urgency(seconds) {
  if (seconds <= 0) return "over";
  if (seconds <= 30) return "last";
  if (seconds <= 90) return "soon";
  return "calm";
}

export function tick(root = document) {
  const now = Date.now() + offset;
  for (const element of root.querySelectorAll("[data-countdown]")) {
    const seconds = Math.ceil((Date.parse(element.dataset.expires) - now) / 1000);
    if (Number.isNaN(seconds)) continue;
    const holder = element.closest("[data-urgency]");
    if (holder) holder.dataset.urgency = urgency(seconds);
    element.textContent = seconds > 0 ? words(seconds) : "Expired";
    const card = element.closest("[data-card]");
    if (seconds <= 0 && card?.dataset.state === "pending") {
      for (const listener of listeners) listener(card);
    }
  }
}

export function start() {
  learnServerClock(document);
  tick();
  setInterval(() => tick(), 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) tick();
  });
}
