// A panel that loads by itself (lazy_panel): when its fragment does not come, this panel alone says so and offers Retry.
import { icon } from "../main.js";

export default function panel(body) {
  body.addEventListener("htmx:before:response", (event) => {
    if (event.target === body && event.detail.ctx.response.status >= 400 && !event.detail.ctx.response.headers.get("HX-Redirect")) {
      event.preventDefault();
      showFailure(body, event.detail.ctx.response.headers.get("X-Request-ID"));
    }
  });
  body.addEventListener("htmx:error", (event) => {
    if (event.target === body) showFailure(body);
  });
  body.addEventListener("htmx:after:swap", () => body.removeAttribute("aria-busy"));
  if (!body.querySelector(".skeleton")) body.removeAttribute("aria-busy");
}

function showFailure(body, requestId) {
  const box = document.createElement("div");
  box.className = "empty-state empty-state--failed";
  box.setAttribute("role", "alert");
  const words = document.createElement("p");
  words.className = "empty-state__text";
  words.textContent = requestId ? `This part could not be loaded (${requestId}).` : "This part could not be loaded.";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button--secondary button--small";
  button.append(icon("refresh-cw"), "Retry");
  button.addEventListener("click", () => {
    button.setAttribute("aria-busy", "true");
    body.setAttribute("aria-busy", "true");
    window.htmx.trigger(body, "retry");
  });
  box.append(words, button);
  body.replaceChildren(box);
  body.removeAttribute("aria-busy");
}
