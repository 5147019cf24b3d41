// Copy buttons (data-copy="text" or data-copy-from="#id") and downloads made here (data-download="name" + data-copy-from).
import { announce } from "./announce.js";

function textOf(button) {
  if (button.dataset.copy !== undefined) return button.dataset.copy;
  const source = document.querySelector(button.dataset.copyFrom);
  if (!source) return "";
  const items = source.querySelectorAll("li");
  if (items.length) return [...items].map((item) => item.textContent.trim()).join("\n");
  return source.textContent.trim();
}

async function toClipboard(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  // Plain http on a private network: the older way still works there.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  (document.querySelector("dialog:modal") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("copy refused");
  return undefined;
}

async function copy(button) {
  const label = button.querySelector("[data-copy-label]") ?? button;
  const before = button.dataset.labelBefore ?? label.textContent;
  button.dataset.labelBefore = before;
  try {
    await toClipboard(textOf(button));
    label.textContent = "Copied";
    announce("Copied.");
  } catch {
    label.textContent = "Select and copy by hand";
    announce("The browser refused to copy.");
  }
  button.focus();
  setTimeout(() => {
    label.textContent = before;
  }, 2000);
}

function download(button) {
  const text = [button.dataset.downloadHead, textOf(button)].filter(Boolean).join("\n\n");
  const url = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = button.dataset.download;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

export function start() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from], [data-print]");
    if (!button) return;
    event.preventDefault();
    if (button.dataset.print !== undefined) window.print();
    else if (button.dataset.download) download(button);
    else copy(button);
  });
}
