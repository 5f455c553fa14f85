// The command palette (Ctrl K): asks /palette?q= for pages, agents, segments, contacts and campaigns by name.
let dialog;
let input;
let results;
let latest = 0;

// `typed`: what was typed while this file was on its way.
export async function openPalette(typed = "") {
  if (!dialog) build();
  if (dialog.open) return;
  dialog.showModal();
  if (typed) input.value = typed;
  else input.select();
  await search();
}

function build() {
  dialog = document.createElement("dialog");
  dialog.className = "palette";
  dialog.setAttribute("aria-label", "Go to");
  input = document.createElement("input");
  input.className = "palette__input";
  input.type = "text";
  input.placeholder = "Go to a page, an agent, a contact, a campaign…";
  for (const [name, value] of Object.entries({
    role: "combobox", "aria-label": "Go to", "aria-expanded": "true", "aria-controls": "palette-results",
    "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false",
  })) input.setAttribute(name, value);
  results = document.createElement("div");
  results.className = "palette__results";
  results.id = "palette-results";
  results.setAttribute("role", "listbox");
  results.setAttribute("aria-label", "Found");
  dialog.append(input, results);
  document.body.append(dialog);
  let timer;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 120);
  });
  input.addEventListener("keydown", onKey);
  dialog.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) go(option);
    else if (event.target === dialog) dialog.close();
  });
}

async function search() {
  const turn = ++latest;
  let html;
  try {
    const response = await fetch(`/palette?q=${encodeURIComponent(input.value)}`, { headers: { "HX-Request": "true" } });
    if (!response.ok) throw new Error(response.status);
    html = await response.text();
  } catch {
    html = '<p class="palette__empty">The search did not answer. Type again to retry.</p>';
  }
  if (turn !== latest) return;
  results.innerHTML = html;
  choose(0);
}

function choose(index) {
  const options = [...results.querySelectorAll("[role=option]")];
  options.forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
  if (options[index]) {
    input.setAttribute("aria-activedescendant", options[index].id);
    options[index].scrollIntoView({ block: "nearest" });
  } else input.removeAttribute("aria-activedescendant");
}

function onKey(event) {
  const options = [...results.querySelectorAll("[role=option]")];
  const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (options.length) choose((at + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length);
  } else if (event.key === "Enter" && options[at]) {
    event.preventDefault();
    go(options[at]);
  }
}

function go(option) {
  dialog.close();
  location.assign(option.dataset.href);
}
