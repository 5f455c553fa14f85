// Follows a run: its events are added as they come, from the number that the page has shown already.
// When the run has ended, htmx fetches the finished draft in place of the stream.
export default function agentRun(element) {
  const text = element.querySelector("[data-run-text]");
  const steps = element.querySelector("[data-run-steps]");
  const status = document.querySelector("[data-run-status]");
  const source = new EventSource(`${element.dataset.events}?after=${element.dataset.after}`);
  const word = element.querySelector(".status span");
  let isOver = false;

  source.addEventListener("begin", () => {
    word.textContent = "Writing…";
    text.textContent = "";
    steps.replaceChildren();
  });
  source.addEventListener("step", (event) => {
    const item = document.createElement("li");
    item.textContent = JSON.parse(event.data).text;
    steps.append(item);
    say(item.textContent);
  });
  source.addEventListener("text", (event) => {
    const { add, set } = JSON.parse(event.data);
    const isAtEnd = text.scrollTop + text.clientHeight >= text.scrollHeight - 40;
    if (set === undefined) text.append(add);
    else text.textContent = set;
    if (isAtEnd) text.scrollTop = text.scrollHeight;
  });
  source.addEventListener("over", (event) => {
    isOver = true;
    source.close();
    text.removeAttribute("aria-busy");
    const words = text.textContent.split(/\s+/).filter(Boolean).length;
    say(JSON.parse(event.data).state === "done" ? `Draft ready, ${words} words.` : "The run has ended.");
    window.htmx.trigger(element, "runended");
  });
  // The page was left or swapped: the stream is let go, so that its place is free for others.
  const watch = setInterval(() => {
    if (element.isConnected && !isOver) return;
    source.close();
    clearInterval(watch);
  }, 1000);
  addEventListener("pagehide", () => source.close(), { once: true });

  function say(words) {
    if (status) status.textContent = words;
  }
}
