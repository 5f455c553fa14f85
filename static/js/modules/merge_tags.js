// Puts a merge tag with its fallback where the cursor was last in the named form.
export default function mergeTags(box) {
  const form = document.getElementById(box.dataset.form);
  const name = box.querySelector("select");
  const fallback = box.querySelector("input");
  const shown = box.querySelector("[data-merge-tag]");
  const button = box.querySelector("[data-merge-insert]");
  let last = form?.elements.namedItem("subject");

  const tag = () => `{{${name.value}|${fallback.value.replace(/[{}|\n]/g, "").trim()}}}`;
  const say = () => (shown.textContent = tag());
  name.addEventListener("change", say);
  fallback.addEventListener("input", say);
  form?.addEventListener("focusin", (event) => {
    const isText = event.target.matches('textarea, input:not([type="checkbox"], [type="hidden"])');
    if (isText && event.target.name !== "reply_to" && event.target.name !== "from_name") last = event.target;
  });
  button.addEventListener("click", () => {
    const field = last?.isConnected ? last : form?.elements.namedItem("subject");
    if (!field) return;
    field.focus();
    field.setRangeText(tag(), field.selectionStart ?? field.value.length, field.selectionEnd ?? field.value.length, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
}
