// Auto / light / dark: buttons with data-theme-choice. theme.js applies the choice before first paint.
import { read, write } from "./storage.js";

function mark() {
  const current = document.documentElement.dataset.theme ?? "auto";
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === current));
  }
}

function apply(choice) {
  if (choice === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  mark();
}

export function start() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (!button) return;
    const choice = button.dataset.themeChoice;
    write("theme", choice === "auto" ? null : choice);
    apply(choice);
  });
  window.addEventListener("storage", (event) => {
    if (event.key === "expacti.theme") apply(read("theme", "auto"));
  });
  mark();
}
