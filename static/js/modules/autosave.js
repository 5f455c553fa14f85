// Keeps a form's text: posts it to data-autosave-url 800 ms after a change, says when it was saved,
// and keeps a copy in this tab for as long as the server has not taken it.
import { csrfToken } from "../main.js";

const PAUSE_MS = 800;

export default function autosave(form) {
  const url = form.dataset.autosaveUrl;
  const state = form.querySelector("[data-save-state]") ?? document.querySelector(`[data-save-state][data-for="${form.id}"]`);
  const key = `lux-draft:${url}`;
  const sentKey = `lux-sent:${url}`;
  let timer;
  let isSaving = false;
  let isDirty = false;

  offerCopy(form, key, sentKey, () => schedule());

  form.addEventListener("input", schedule);
  form.addEventListener("change", schedule);
  form.addEventListener("submit", () => {
    clearTimeout(timer);
    isDirty = false;
    // Sent is not arrived: main.js lets go of this copy on the next page that is no error.
    keepCopy(form, sentKey);
    sessionStorage.removeItem(key);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "hidden" || !isDirty || isSaving) return;
    clearTimeout(timer);
    save();
  });

  function schedule() {
    isDirty = true;
    keepCopy(form, key);
    say("saving", "Saving…");
    clearTimeout(timer);
    timer = setTimeout(save, PAUSE_MS);
  }

  async function save() {
    if (isSaving) {
      timer = setTimeout(save, PAUSE_MS);
      return;
    }
    isSaving = true;
    isDirty = false;
    try {
      const response = await fetch(url, {
        method: "POST",
        body: new URLSearchParams(textOf(form)),
        keepalive: document.visibilityState === "hidden" && new URLSearchParams(textOf(form)).toString().length < 60000,
        headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" },
      });
      const answer = response.headers.get("Content-Type")?.includes("json") ? await response.json() : {};
      if (!response.ok) throw new Error(answer.message ?? answer.detail ?? "");
      if (!isDirty) {
        sessionStorage.removeItem(key);
        const at = answer.saved_at ?? new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
        say("saved", `Saved ${at}`);
      }
      form.dispatchEvent(new CustomEvent("lux:saved", { bubbles: true, detail: answer }));
    } catch (error) {
      isDirty = true;
      const why = error instanceof TypeError || !error.message ? "LUX did not answer" : error.message.replace(/\.$/, "");
      say("failed", `Not saved: ${why}. Your text is kept in this tab.`);
    } finally {
      isSaving = false;
    }
  }

  function say(kind, words) {
    if (!state) return;
    state.dataset.state = kind;
    (state.querySelector("[data-save-word]") ?? state).textContent = words;
  }
}

function textOf(form) {
  return [...new FormData(form)].filter(([name, value]) => typeof value === "string" && name !== "csrf_token");
}

function keepCopy(form, key) {
  const secret = new Set([...form.querySelectorAll('input[type="password"]')].map((input) => input.name));
  try {
    sessionStorage.setItem(key, JSON.stringify(textOf(form).filter(([name]) => !secret.has(name))));
  } catch {
    // A full or forbidden store must not stop anybody from typing.
  }
}

function sameText(one, other) {
  const plain = (pairs) => JSON.stringify(pairs.map(([name, value]) => [name, value.replace(/\r\n/g, "\n").trim()]));
  return plain(one) === plain(other);
}

function offerCopy(form, key, sentKey, afterwards) {
  const hasArrived = document.querySelector(".toast--success") !== null;
  const kept = sessionStorage.getItem(key) ?? (hasArrived ? null : sessionStorage.getItem(sentKey));
  sessionStorage.removeItem(sentKey);
  if (!kept || sameText(JSON.parse(kept), textOf(form))) return sessionStorage.removeItem(key);
  sessionStorage.setItem(key, kept);
  const box = document.createElement("div");
  box.className = "notice notice--warn";
  box.setAttribute("role", "status");
  box.innerHTML = `<div class="notice__body"><p class="notice__title">Text from before is still here</p>
    <p>It did not reach LUX the last time.</p><div class="actions">
    <button type="button" class="button button--secondary button--small" data-put>Put it back</button>
    <button type="button" class="button button--quiet button--small" data-drop>Leave it</button></div></div>`;
  form.prepend(box);
  box.querySelector("[data-put]").addEventListener("click", () => {
    for (const [name, value] of JSON.parse(kept)) {
      const field = form.elements.namedItem(name);
      if (field && "value" in field && field.type !== "checkbox" && field.type !== "hidden") field.value = value;
    }
    box.remove();
    afterwards();
  });
  box.querySelector("[data-drop]").addEventListener("click", () => {
    sessionStorage.removeItem(key);
    box.remove();
  });
}
