// What to do when the server no longer knows us: say so, and stop pretending to be live.
let ended = false;
const listeners = new Set();

export const hasEnded = () => ended;

export function onEnded(listener) {
  listeners.add(listener);
}

export function end() {
  if (ended) return;
  ended = true;
  const banner = document.getElementById("session-banner");
  if (banner) banner.hidden = false;
  for (const button of document.querySelectorAll("[data-action], [data-decide-submit]")) {
    button.disabled = true;
    button.setAttribute("aria-disabled", "true");
  }
  for (const listener of listeners) listener();
}
