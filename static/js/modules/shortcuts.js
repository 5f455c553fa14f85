// The dialog of keys (?), with the switch that turns the single keys off.
import { hasKeys } from "../main.js";

const rows = [
  ["Go to a page, contact or campaign", ["Ctrl", "K"]],
  ["Search this page", ["/"]],
  ["New", ["n"]],
  ["Next row, previous row", ["j", "k"]],
  ["Select the row", ["x"]],
  ["Dashboard", ["g", "d"]],
  ["Contacts", ["g", "c"]],
  ["Segments", ["g", "s"]],
  ["Agents", ["g", "a"]],
  ["These keys", ["?"]],
];

let dialog;

export function openShortcuts() {
  if (!dialog) build();
  if (!dialog.open) dialog.showModal();
}

function build() {
  dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", "shortcuts-title");
  dialog.innerHTML = `<div class="dialog__head"><h2 class="dialog__title" id="shortcuts-title">Keys</h2></div>
    <div class="dialog__body"><dl class="shortcuts"></dl>
    <div class="choice"><input class="choice__box" type="checkbox" id="shortcuts-on"><label class="choice__label" for="shortcuts-on">Single keys work on every page</label></div>
    <div class="actions actions--end"><button class="button button--secondary" type="button">Close</button></div></div>`;
  const list = dialog.querySelector("dl");
  for (const [meaning, keys] of rows) {
    const term = document.createElement("dt");
    term.textContent = meaning;
    const detail = document.createElement("dd");
    for (const key of keys) {
      const cap = document.createElement("kbd");
      cap.textContent = key;
      detail.append(cap);
    }
    list.append(term, detail);
  }
  const box = dialog.querySelector("input");
  box.checked = hasKeys();
  box.addEventListener("change", () => localStorage.setItem("lux-keys", box.checked ? "on" : "off"));
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  document.body.append(dialog);
}
