// A conversation: sends what is typed, shows the answer as it comes, goes on after a reload, stops, retries.
// The server keeps every event; a stream that ends early is followed from the last one that was seen.
import { csrfToken, icon } from "../main.js";

export default function chat(element) {
  const log = element.querySelector("[data-chat-log]");
  const form = element.querySelector("[data-chat-form]");
  const input = form.elements.message;
  const status = element.querySelector("[data-chat-status]");
  const sendButton = element.querySelector("[data-chat-send]");
  const stopButton = element.querySelector("[data-chat-stop]");
  const costLine = element.querySelector("[data-chat-cost]");
  let cost = Number(element.dataset.cost) || 0;
  let current = null;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text || current) return;
    input.value = "";
    ask(text);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  element.addEventListener("click", (event) => {
    const button = event.target.closest("[data-ask]");
    if (!button) return;
    event.preventDefault();
    if (!current) ask(button.dataset.ask);
  });
  stopButton.addEventListener("click", () => {
    if (current?.id) fetch(`/chatbot/turns/${current.id}/stop`, { method: "POST", headers: { "X-CSRFToken": csrfToken() } });
    say("Stopping…");
  });

  const live = log.querySelector('[data-state="streaming"]');
  if (live) {
    begin(live, live.querySelector("[data-answer]"));
    current.id = Number(live.dataset.turn);
    current.after = Number(live.dataset.after) || 0;
    current.raw = live.querySelector("[data-raw]").textContent;
    follow(current);
  }
  log.scrollTop = log.scrollHeight;

  async function ask(text, key = newKey()) {
    log.querySelector("[data-chat-start]")?.remove();
    const turn = document.createElement("article");
    turn.className = "chat__turn";
    turn.append(said("person", "You: ", text), said("lux", "", ""));
    log.append(turn);
    const answer = turn.lastElementChild;
    begin(turn, answer);
    const mine = current;
    mine.text = text;
    mine.key = key;
    log.scrollTop = log.scrollHeight;
    const body = { message: text, key, page: element.dataset.page || location.pathname };
    if (element.dataset.conversation) body.conversation_id = Number(element.dataset.conversation);
    try {
      const response = await fetch("/chatbot/send", {
        method: "POST",
        headers: { Accept: "text/event-stream", "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
        body: JSON.stringify(body),
      });
      if (!response.ok) return fail(mine, await complaintOf(response), newKey());
      await read(response, mine);
      if (!mine.isOver) await follow(mine);
    } catch (error) {
      if (mine.id) follow(mine);
      else fail(mine, "LUX did not answer. Your message is kept.", key);
    }
  }

  function begin(turn, answer) {
    answer.setAttribute("aria-busy", "true");
    const step = answer.querySelector("[data-step]") ?? answer.appendChild(line("chat__step", "Thinking…"));
    step.dataset.step = "";
    const raw = answer.querySelector("[data-raw]") ?? answer.appendChild(line("chat__raw", "", "div"));
    raw.dataset.raw = "";
    const started = Date.now();
    const words = () => `${step.dataset.words ?? "Thinking"}… ${Math.round((Date.now() - started) / 1000)} s`;
    const timer = setInterval(() => (step.textContent = words()), 1000);
    current = { turn, answer, step, rawBox: raw, raw: "", after: 0, timer, isOver: false };
    sendButton.hidden = true;
    stopButton.hidden = false;
    say("Thinking…");
  }

  function end(mine) {
    clearInterval(mine.timer);
    mine.isOver = true;
    mine.answer.removeAttribute("aria-busy");
    if (current === mine) current = null;
    sendButton.hidden = false;
    stopButton.hidden = true;
  }

  // Follows a turn to its end; a stream that was cut is asked for again after a moment.
  async function follow(mine, tries = 0) {
    while (!mine.isOver && element.isConnected && tries < 60) {
      try {
        const response = await fetch(`/chatbot/turns/${mine.id}/events?after=${mine.after}`, { headers: { Accept: "text/event-stream" } });
        if (!response.ok) return fail(mine, await complaintOf(response), newKey());
        const seen = mine.after;
        await read(response, mine);
        tries = mine.after > seen ? 0 : tries + 1;
      } catch {
        tries += 1;
      }
      if (!mine.isOver) await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    if (!mine.isOver && element.isConnected) fail(mine, "LUX did not answer. Your message is kept.", mine.key ?? newKey());
  }

  async function read(response, mine) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done || !element.isConnected) return void reader.cancel().catch(() => {});
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) take(part, mine);
    }
  }

  function take(part, mine) {
    const field = (name) => new RegExp(`^${name}: (.*)$`, "m").exec(part)?.[1];
    const kind = field("event");
    if (!kind || mine.isOver) return;
    const number = Number(field("id"));
    if (number <= mine.after) return;
    mine.after = number;
    const detail = JSON.parse(field("data"));
    const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 60;
    if (kind === "begin") {
      mine.id = detail.turn_id;
      element.dataset.conversation = detail.conversation_id;
      element.dispatchEvent(new CustomEvent("lux:conversation", { bubbles: true, detail: detail.conversation_id }));
    } else if (kind === "step") {
      mine.step.dataset.words = detail.text;
      mine.step.textContent = `${detail.text}…`;
      say(`${detail.text}…`);
    } else if (kind === "text") {
      mine.raw = detail.set ?? mine.raw + detail.add;
      mine.rawBox.textContent = mine.raw;
    } else if (kind === "end") finish(detail, mine);
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  }

  function finish(detail, mine) {
    end(mine);
    mine.answer.innerHTML = detail.html;
    if (detail.state === "failed") mine.answer.append(retryButton(mine, newKey()));
    cost += detail.cost_usd || 0;
    if (cost) costLine.textContent = `This conversation: $${cost.toFixed(4)}`;
    const words = (detail.response ?? "").split(/\s+/).filter(Boolean).length;
    say({ failed: "The answer failed.", stopped: "Stopped." }[detail.state] ?? `Answer ready, ${words} words.`);
  }

  function fail(mine, words, key) {
    end(mine);
    const failure = line("chat__failure", "");
    failure.append(icon("circle-x"), words);
    mine.answer.replaceChildren(failure, retryButton(mine, key));
    say(words);
  }

  function retryButton(mine, key) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button button--secondary button--small";
    button.append(icon("refresh-cw"), "Retry");
    const text = mine.text ?? mine.turn.querySelector(".dock__said--person").lastChild.textContent.trim();
    button.addEventListener("click", () => {
      if (current) return;
      mine.turn.remove();
      ask(text, key);
    });
    return button;
  }

  function say(words) {
    status.textContent = words;
  }
}

function said(who, before, words) {
  const box = line(`dock__said dock__said--${who}`, "", "div");
  if (before) box.append(Object.assign(document.createElement("span"), { className: "visually-hidden", textContent: before }));
  box.append(words);
  return box;
}

function line(name, words, tag = "p") {
  return Object.assign(document.createElement(tag), { className: name, textContent: words });
}

async function complaintOf(response) {
  try {
    return (await response.json()).message;
  } catch {
    return `That did not work (${response.status}). Your message is kept.`;
  }
}

// randomUUID is only there where the page came over https or from this machine.
function newKey() {
  return crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16)).join("");
}
