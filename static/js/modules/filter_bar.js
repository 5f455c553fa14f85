// A filter chosen from a list applies at once; typing waits for Enter.
export default function filterBar(form) {
  for (const field of form.querySelectorAll("select")) field.addEventListener("change", () => form.requestSubmit());
}
