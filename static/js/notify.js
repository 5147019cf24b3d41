// Opt-in desktop notifications and sound: switches with data-notify="desktop|sound", kept in this browser.
// A notification never holds the command: it may show on a locked or shared screen.
import { read, write } from "./storage.js";

let audio = null;

const wanted = (kind) => read(`notify.${kind}`) === "on";

function context() {
  const Audio = window.AudioContext ?? window.webkitAudioContext;
  if (Audio) audio ??= new Audio();
  return audio;
}

function note(frequency, at, length) {
  const oscillator = audio.createOscillator();
  const gain = audio.createGain();
  oscillator.type = "sine";
  oscillator.frequency.value = frequency;
  gain.gain.setValueAtTime(0.0001, at);
  gain.gain.exponentialRampToValueAtTime(0.12, at + 0.015);
  gain.gain.exponentialRampToValueAtTime(0.0001, at + length);
  oscillator.connect(gain).connect(audio.destination);
  oscillator.start(at);
  oscillator.stop(at + length);
}

async function chime() {
  if (!context()) return;
  if (audio.state === "suspended") await audio.resume().catch(() => {});
  if (audio.state !== "running") return; // no gesture on this page yet: browsers keep it silent
  note(587.3, audio.currentTime, 0.16);
  note(880, audio.currentTime + 0.11, 0.26);
}

/** New commands wait: [{agent, host}], fields may be missing. */
export function arrived(commands) {
  if (!commands.length) return;
  if (wanted("sound")) chime();
  const away = document.hidden || !document.hasFocus();
  if (!wanted("desktop") || !away || !("Notification" in window) || Notification.permission !== "granted") return;
  const [first] = commands;
  const title = commands.length > 1 ? `${commands.length} commands wait for you` : first.agent ? `${first.agent} waits for you` : "A command waits for you";
  try {
    const shown = new Notification(title, { body: first.host && commands.length === 1 ? `On ${first.host}` : "", tag: "expacti-queue", renotify: true });
    shown.addEventListener("click", () => {
      window.focus();
      shown.close();
    });
  } catch {
    // Some phones allow them only from a service worker.
  }
}

function hint(text) {
  for (const element of document.querySelectorAll("[data-notify-hint]")) element.textContent = text;
}

async function toggle(input) {
  const kind = input.dataset.notify;
  let on = input.checked;
  if (on && kind === "desktop") {
    const permission = "Notification" in window ? await Notification.requestPermission() : "denied";
    on = permission === "granted";
    if (!on) hint("The browser does not allow notifications from this site. Its site settings can change that.");
  }
  write(`notify.${kind}`, on ? "on" : null);
  mark();
  if (on && kind === "sound") chime();
}

function mark() {
  for (const input of document.querySelectorAll("[data-notify]")) {
    const kind = input.dataset.notify;
    input.checked = wanted(kind) && (kind !== "desktop" || ("Notification" in window && Notification.permission === "granted"));
  }
}

export function start() {
  mark();
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-notify]")) toggle(event.target);
  });
  document.addEventListener("pointerdown", () => wanted("sound") && context()?.resume().catch(() => {}), { once: true });
}
