// The shell's behaviour, and the attaching of modules: an element with data-module="name"
// gets static/js/modules/name.js, whose default export is called with the element, once.

const attached = new WeakMap();

// The promise is kept once all of them listen.
export function attach(root = document) {
  const loading = [];
  const found = [...root.querySelectorAll("[data-module]")];
  if (root instanceof Element && root.matches("[data-module]")) found.unshift(root);
  for (const element of found) {
    const names = attached.get(element) ?? new Set();
    attached.set(element, names);
    for (const name of element.dataset.module.split(/\s+/)) {
      if (!name || names.has(name)) continue;
      names.add(name);
      const module = import(`./modules/${name}.js`).then((module) => module.default(element));
      loading.push(module.catch((error) => console.error(name, error)));
    }
  }
  return Promise.all(loading);
}

export function csrfToken() {
  return document.querySelector('meta[name="csrf-token"]')?.content ?? "";
}

// Toasts

const icons = { success: "circle-check", warn: "triangle-alert", danger: "circle-x", info: "info" };
const sprite = new URL("../vendor/lucide/icons.svg", import.meta.url).pathname;

export function icon(name, size = 16) {
  const template = document.createElement("template");
  template.innerHTML = `<svg class="icon" width="${size}" height="${size}" aria-hidden="true" focusable="false"><use href="${sprite}#${name}"></use></svg>`;
  return template.content.firstChild;
}

export function toast(kind, text) {
  const region = document.querySelector("[data-toasts]");
  if (!region) return;
  const box = document.createElement("div");
  box.className = `toast toast--${kind}`;
  box.dataset.toast = "";
  const words = document.createElement("p");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "toast__close";
  close.dataset.toastClose = "";
  close.setAttribute("aria-label", "Dismiss");
  close.append(icon("x", 14));
  box.append(icon(icons[kind] ?? "info"), words, close);
  region.append(box);
  expire(box, kind);
}

// A warning stays until it is dismissed; good news leaves after a while unless somebody is reading it.
function expire(box, kind) {
  if (kind === "danger" || kind === "warn") return;
  const leave = () => (box.matches(":hover, :focus-within") ? setTimeout(leave, 2000) : box.remove());
  setTimeout(leave, 8000);
}

for (const box of document.querySelectorAll("[data-toast]")) {
  box.querySelector("[data-toast-close]").hidden = false;
  expire(box, /toast--(\w+)/.exec(box.className)?.[1]);
}

// Dialogs: browsers that do not know command and commandfor get the same from here.

const knowsCommands = "commandForElement" in HTMLButtonElement.prototype;

document.addEventListener("click", (event) => {
  const target = event.target.closest?.("button, [data-opens-palette], [data-opens-dock]");
  if (!target) return;
  if (target.matches("[data-toast-close]")) target.closest("[data-toast]").remove();
  if (target.matches("[data-panel-retry]")) askAgain(target.closest("[data-panel]"));
  if (target.matches("[data-opens-palette]")) openPalette();
  if (target.matches("[data-opens-dock]") && document.querySelector("[data-dock]") && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    document.dispatchEvent(new CustomEvent("lux:dock", { detail: { button: target } }));
  }
  if (knowsCommands) return;
  if (target.dataset.opens) document.getElementById(target.dataset.opens)?.showModal();
  if (target.dataset.closes) document.getElementById(target.dataset.closes)?.close();
});

// A form that has been sent says so, and is not sent twice.

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || event.defaultPrevented || event.target.method === "dialog") return;
  if (button.getAttribute("aria-busy") === "true") return event.preventDefault();
  if (event.target.method === "post") setTimeout(() => button.setAttribute("aria-busy", "true"));
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll('button[aria-busy="true"]')) button.removeAttribute("aria-busy");
});

// A form that was sent and answered by a page has arrived; an error page says that it may not have.

for (const key of listKept()) {
  if (!key.startsWith("lux-sent:") || document.querySelector(`[data-autosave-url="${CSS.escape(key.slice(9))}"]`)) continue;
  if (document.querySelector("[data-error-page]")) sessionStorage.setItem(`lux-draft:${key.slice(9)}`, sessionStorage.getItem(key));
  sessionStorage.removeItem(key);
}

// Within another site's frame, and where a person forbids it, the browser keeps nothing and says so by an error.
function listKept() {
  try {
    return Object.keys(sessionStorage);
  } catch {
    return [];
  }
}

// htmx: content that arrived gets its modules; a lost connection says so.

document.addEventListener("htmx:after:swap", (event) => {
  const ctx = event.detail?.ctx;
  attach(ctx?.target?.isConnected ? ctx.target : document);
});
document.addEventListener("htmx:after:settle", () => attach());
// An error page is not a fragment: it becomes a toast, or the failure of the panel that asked for it.
// A form that comes back with its errors (409, 422) is a fragment.
document.addEventListener("htmx:before:response", (event) => {
  const { status, headers, raw } = event.detail.ctx.response;
  if (status < 400 || status === 409 || status === 422 || headers.get("HX-Redirect")) return;
  event.preventDefault();
  raw.body?.cancel();
  const id = headers.get("X-Request-ID");
  if (event.target.matches("[data-panel]")) showFailure(event.target, id);
  else toast("danger", `That did not work${id ? ` (${status}, ${id})` : ""}. Try again in a moment.`);
});
document.addEventListener("htmx:error", (event) => {
  if (!event.detail?.ctx) return;
  if (event.target.matches?.("[data-panel]")) showFailure(event.target);
  else toast("danger", "LUX did not answer. Nothing you typed is lost; try again in a moment.");
});
document.addEventListener("htmx:after:swap", (event) => event.detail?.ctx?.target?.removeAttribute?.("aria-busy"));

// A panel that could not be loaded says so alone, and can be asked again.
function showFailure(panel, requestId) {
  const box = document.createElement("div");
  box.className = "empty-state empty-state--failed";
  box.setAttribute("role", "alert");
  const words = document.createElement("p");
  words.className = "empty-state__text";
  words.textContent = requestId ? `This part could not be loaded (${requestId}).` : "This part could not be loaded.";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button--secondary button--small";
  button.dataset.panelRetry = "";
  button.append(icon("refresh-cw"), "Retry");
  box.append(words, button);
  panel.replaceChildren(box);
  panel.removeAttribute("aria-busy");
}

function askAgain(panel) {
  panel.setAttribute("aria-busy", "true");
  window.htmx.trigger(panel, "retry");
}

document.addEventListener("toast", (event) => toast(event.detail?.kind ?? "info", event.detail?.text ?? ""));

// Keys

const places = { d: "/", c: "/contacts", s: "/segments", a: "/agents" };
let waitsForPlace = 0;

export function hasKeys() {
  try {
    return localStorage.getItem("lux-keys") !== "off";
  } catch {
    return true;
  }
}

// From Ctrl K until the palette stands, keys are meant for it: they are kept, and are no single keys.
let keysForPalette = null;

async function openPalette() {
  if (keysForPalette) return;
  keysForPalette = [];
  try {
    const palette = await import("./modules/palette.js");
    palette.openPalette(keysForPalette.join(""));
  } catch (error) {
    console.error("palette", error);
    toast("danger", "LUX did not answer. Press Ctrl K again in a moment.");
  } finally {
    keysForPalette = null;
  }
}

function openShortcuts() {
  import("./modules/shortcuts.js").then((module) => module.openShortcuts());
}

const single = {
  "/": () => focusSearch(),
  n: () => document.querySelector("[data-key-new]")?.click(),
  "?": () => openShortcuts(),
  j: () => document.dispatchEvent(new CustomEvent("lux:row", { detail: 1 })),
  k: () => document.dispatchEvent(new CustomEvent("lux:row", { detail: -1 })),
  x: () => document.dispatchEvent(new CustomEvent("lux:select")),
  g: () => (waitsForPlace = Date.now()),
};

function focusSearch() {
  const input = document.querySelector("[data-key-search]");
  if (input) input.focus();
  else openPalette();
}

document.addEventListener("keydown", (event) => {
  const command = event.ctrlKey || event.metaKey;
  if (command && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return openPalette();
  }
  if (command && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "j" && document.querySelector("[data-dock]")) {
    event.preventDefault();
    return document.dispatchEvent(new CustomEvent("lux:dock", { detail: {} }));
  }
  if (keysForPalette && !command && !event.altKey && event.key !== "Escape") {
    event.preventDefault();
    if (event.key === "Backspace") keysForPalette.pop();
    else if (event.key.length === 1) keysForPalette.push(event.key);
    return;
  }
  if (command && event.key === "Enter" && event.target.matches?.("textarea")) return event.target.form?.requestSubmit();
  if (command || event.altKey || !hasKeys() || document.querySelector("dialog[open]")) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
  if (waitsForPlace && Date.now() - waitsForPlace < 1500 && places[event.key]) {
    event.preventDefault();
    location.assign(places[event.key]);
    return;
  }
  waitsForPlace = 0;
  if (Object.hasOwn(single, event.key)) {
    event.preventDefault();
    single[event.key]();
  }
});

// The dock comes when it is asked for; one that was open on the page before is open here too.

const loadDock = () => import("./modules/dock.js");
document.addEventListener("lux:dock", (event) => loadDock().then((module) => module.toggleDock(event.detail.button)));
if (listKept().includes("lux-dock") && innerWidth > 560 && document.querySelector("[data-dock]")) loadDock().then((module) => module.openDock(null, false));

attach();
