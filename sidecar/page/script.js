// What the pages do beyond HTML: copying, dialogs, hiding secrets, and no form sent
// twice. Without it every page works, but for the copying.
"use strict";

document.documentElement.classList.add("js");

// Copying.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    say(button, "Copied");
  } catch {
    const range = document.createRange();
    range.selectNodeContents(source);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    say(button, "Press Ctrl+C");
  }
});

const live = document.createElement("p");
live.className = "hidden";
live.setAttribute("role", "status");
document.body.append(live);

function say(button, text) {
  button.textContent = text;
  live.textContent = text;
  clearTimeout(button.timer);
  button.timer = setTimeout(() => {
    button.textContent = "Copy";
    live.textContent = "";
  }, 2000);
}

// Dialogs: open in the page without a script, over it with one.
for (const dialog of document.querySelectorAll("dialog[data-modal]")) {
  dialog.removeAttribute("open"); // close() would tell, a moment later, that it is closed
  dialog.showModal();
  dialog.addEventListener("close", () => dialog.remove());
}

// Secrets leave the screen by themselves, and when the page is left.
for (const secret of document.querySelectorAll("[data-hide]")) {
  const left = secret.querySelector("[data-left]");
  const end = Date.now() + Number(secret.dataset.hide) * 1000;
  const timer = setInterval(() => {
    const seconds = Math.ceil((end - Date.now()) / 1000);
    if (seconds <= 0) hide();
    else left.textContent = `hidden in ${seconds} second${seconds === 1 ? "" : "s"}`;
  }, 250);
  const hide = () => {
    clearInterval(timer);
    const note = document.createElement("p");
    note.className = "note";
    note.textContent = "Hidden again.";
    secret.replaceWith(note);
  };
  addEventListener("pagehide", hide);
}

// A form that makes something is sent once.
for (const form of document.querySelectorAll("form[data-once]")) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  addEventListener("pageshow", () => { sent = false; });
}

// A menu closes when one looks elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
