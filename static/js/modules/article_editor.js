// Beside the autosave: after each save the preview and the checks show what was saved, and counted fields say how long.
export default function articleEditor(form) {
  const frame = document.querySelector("[data-preview] iframe");
  const mark = form.elements.namedItem("based_on");

  form.addEventListener("lux:saved", async (event) => {
    if (event.detail.based_on && mark) mark.value = event.detail.based_on;
    if (frame) frame.src = frame.src;
    const answer = await fetch(`${form.action}/checks`, { headers: { Accept: "text/html" } });
    const checks = document.getElementById("article-checks");
    if (answer.ok && checks) checks.outerHTML = await answer.text();
  });

  for (const field of form.querySelectorAll("[data-count]")) {
    const hint = document.getElementById(`${field.id}-hint`);
    const words = hint?.textContent;
    const show = () => (hint.textContent = field.value ? `${field.value.length} of ${field.dataset.count} characters.` : words);
    if (!hint) continue;
    field.addEventListener("input", show);
    show();
  }
}
