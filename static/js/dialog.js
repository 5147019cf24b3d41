// Native dialogs. data-opens="id" opens one, data-dialog-close closes, [data-dialog-focus] gets the focus first.
const closed = new Set();

/** Called with each dialog after it was closed. */
export function onClosed(listener) {
  closed.add(listener);
}

export function open(dialog) {
  if (!dialog || dialog.matches(":modal")) return;
  if (dialog.open) dialog.close();
  dialog.showModal();
  (dialog.querySelector("[data-dialog-focus]") ?? dialog.querySelector("[autofocus]") ?? dialog.querySelector("[data-dialog-close]"))?.focus();
}

export function anyOpen() {
  return document.querySelector("dialog:modal");
}

/** The open decision dialog about this command, if there is one. */
export function openAbout(id) {
  return document.querySelector(`dialog:modal[id$="${CSS.escape(id)}"], dialog:modal[data-for="${CSS.escape(id)}"]`);
}

/** Says in the dialog why it can no longer be used, and takes its button away. */
export function invalidate(dialog, text) {
  const notice = dialog.querySelector("[data-dialog-notice]");
  if (notice) {
    notice.querySelector("[data-dialog-notice-text]").textContent = text;
    notice.hidden = false;
    notice.scrollIntoView({ block: "nearest" });
  }
  const submit = dialog.querySelector("[data-decide-submit]");
  if (!submit) return;
  if (document.activeElement === submit) dialog.querySelector("[data-dialog-close]")?.focus();
  submit.disabled = true;
}

/** Says what went wrong, and leaves the button for another try. */
export function complain(dialog, text) {
  const notice = dialog.querySelector("[data-dialog-notice]");
  if (!notice) return;
  notice.querySelector("[data-dialog-notice-text]").textContent = text;
  notice.hidden = false;
  notice.scrollIntoView({ block: "nearest" });
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Asks before a form with data-confirm is sent. */
function confirmForm(form) {
  const dialog = make("dialog", "dialog dialog--narrow");
  const body = make("div", "dialog__body");
  const text = make("p", "", form.dataset.confirm);
  text.id = "confirm-text";
  dialog.setAttribute("aria-labelledby", text.id);
  const foot = make("div", "dialog__foot");
  const cancel = make("button", "btn", "Cancel");
  cancel.type = "button";
  cancel.dataset.dialogClose = "";
  const go = make("button", "btn btn--stop", form.dataset.confirmLabel ?? "Continue");
  go.type = "button";
  go.addEventListener("click", () => {
    dialog.close();
    form.dataset.confirmed = "";
    form.requestSubmit();
  });
  body.append(text);
  foot.append(cancel, go);
  dialog.append(body, foot);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  open(dialog);
}

export function start() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) {
      const dialog = document.getElementById(opener.dataset.opens);
      if (!dialog) return;
      event.preventDefault();
      open(dialog);
      return;
    }
    const closer = event.target.closest("[data-dialog-close]");
    const dialog = closer?.closest("dialog:modal");
    if (dialog) {
      event.preventDefault();
      dialog.close();
    }
  });
  // "close" does not bubble; capture sees it all the same.
  document.addEventListener("close", (event) => {
    if (!event.target.matches?.("dialog")) return;
    if (event.target.parentElement?.id === "dialog-slot") event.target.remove();
    for (const listener of closed) listener(event.target);
  }, true);
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.confirm === undefined || form.dataset.confirmed !== undefined) return;
    event.preventDefault();
    confirmForm(form);
  });
  // A step that the server rendered open (no script at that moment) becomes a real modal.
  for (const dialog of document.querySelectorAll("dialog[open]")) open(dialog);
}
