// The dock (Ctrl J): a conversation beside the page that is open. It is no dialog: the page stays usable.
import { attach, csrfToken, toast } from "../main.js";

const dock = document.querySelector("[data-dock]");
let opener = null;

export function toggleDock(button) {
  if (dock.hidden) openDock(button);
  else if (dock.contains(document.activeElement) || button) closeDock();
  else dock.querySelector("textarea")?.focus();
}

export async function openDock(button = null, takesFocus = true) {
  opener = button ?? document.activeElement;
  dock.hidden = false;
  sessionStorage.setItem("lux-dock", "open");
  if (!dock.childElementCount) await load(sessionStorage.getItem("lux-conversation") ?? "");
  if (takesFocus) dock.querySelector("textarea")?.focus();
}

function closeDock() {
  dock.hidden = true;
  sessionStorage.removeItem("lux-dock");
  if (opener?.isConnected) opener.focus();
}

async function load(conversation) {
  const label = document.querySelector("h1")?.textContent.trim() ?? "";
  const query = new URLSearchParams({ page: location.pathname, label, conversation });
  dock.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(`/ask/dock?${query}`, { headers: { "HX-Request": "true" } });
    if (!response.ok) throw new Error(response.status);
    dock.innerHTML = await response.text();
    await attach(dock);
  } catch {
    closeDock();
    toast("danger", "LUX did not answer. Press Ctrl J again in a moment.");
  } finally {
    dock.removeAttribute("aria-busy");
  }
}

dock.addEventListener("lux:conversation", (event) => sessionStorage.setItem("lux-conversation", event.detail));
dock.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && !dock.querySelector("details[open]")) closeDock();
});
dock.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-conversation]");
  if (event.target.closest("[data-dock-close]")) closeDock();
  else if (link) {
    event.preventDefault();
    sessionStorage.setItem("lux-conversation", link.dataset.conversation);
    await load(link.dataset.conversation);
    dock.querySelector("textarea")?.focus();
  } else if (event.target.closest("[data-chat-clear]")) clear(event.target.closest("[data-chat-clear]"));
});

// Pressed once it asks, pressed again it clears.
async function clear(button) {
  if (!button.dataset.isSure) {
    button.dataset.isSure = "yes";
    button.classList.replace("button--quiet", "button--danger");
    button.lastElementChild.textContent = "Press again to clear this conversation";
    button.title = "Press again to clear";
    return;
  }
  const conversation = dock.querySelector("[data-conversation].chat").dataset.conversation;
  const response = await fetch(`/chatbot/conversations/${conversation}`, { method: "DELETE", headers: { "X-CSRFToken": csrfToken() } });
  if (!response.ok && response.status !== 404) return toast("danger", (await response.json()).message);
  sessionStorage.removeItem("lux-conversation");
  await load("");
  dock.querySelector("textarea")?.focus();
}
