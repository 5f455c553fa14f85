// The campaign's content form: its block buttons act without a page load, each save begins with the newest mark,
// and the message is shown again after it.
import { attach, csrfToken } from "../main.js";

export default function blockEditor(form) {
  const status = form.querySelector("[data-block-status]");
  let isBusy = false;
  let timer;

  form.addEventListener("lux:saved", (event) => {
    const mark = event.detail?.based_on;
    const field = form.elements.namedItem("based_on");
    if (mark && field) field.value = mark;
    clearTimeout(timer);
    timer = setTimeout(showPreviews, 300);
  });

  form.addEventListener("click", (event) => {
    const button = event.target.closest?.('button[name="do"]');
    if (!button || button.disabled) return;
    event.preventDefault();
    if (!isBusy) press(button);
  });

  function showPreviews() {
    for (const frame of document.querySelectorAll("[data-preview] iframe")) frame.setAttribute("src", frame.getAttribute("src"));
  }

  async function press(button) {
    isBusy = true;
    button.setAttribute("aria-busy", "true");
    const fields = new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string"));
    fields.set("do", button.value);
    try {
      const response = await fetch(form.action, {
        method: "POST",
        body: fields,
        headers: { "X-CSRFToken": csrfToken(), Accept: "text/x-blocks" },
      });
      if (!response.ok) throw new Error(String(response.status));
      show(await response.text());
    } catch {
      // The page's own way says what is wrong and keeps what was typed.
      const hidden = document.createElement("input");
      Object.assign(hidden, { type: "hidden", name: "do", value: button.value });
      form.append(hidden);
      form.submit();
    } finally {
      isBusy = false;
    }
  }

  function show(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const fresh = template.content.querySelector("[data-blocks]");
    form.querySelector("[data-blocks]").replaceWith(fresh);
    attach(fresh);
    const block = document.getElementById(fresh.dataset.focus ?? "");
    const isNew = /added|Copied/.test(fresh.dataset.said ?? "");
    const target = (isNew && block?.querySelector("input:not([type=hidden]), textarea, select")) || block;
    target?.focus({ preventScroll: true });
    block?.scrollIntoView({ block: "nearest" });
    if (status) status.textContent = fresh.dataset.said ?? "";
    form.dispatchEvent(new CustomEvent("lux:saved", { bubbles: true, detail: {} }));
  }
}
