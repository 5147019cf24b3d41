// One polite live region for the whole page: what a screen reader hears when the queue changes.
let timer = 0;

export function announce(text) {
  const region = document.getElementById("announcer");
  if (!region) return;
  // Emptied first, so that the same sentence twice is spoken twice; joined, so that a burst is one message.
  clearTimeout(timer);
  const waiting = region.dataset.waiting ? `${region.dataset.waiting} ${text}` : text;
  region.dataset.waiting = waiting;
  region.textContent = "";
  timer = setTimeout(() => {
    region.textContent = region.dataset.waiting;
    delete region.dataset.waiting;
  }, 250);
}
