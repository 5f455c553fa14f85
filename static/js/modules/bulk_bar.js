// Counts the rows chosen for this form; its buttons work only when there are some.
export default function bulkBar(form) {
  const words = form.querySelector("[data-count]");
  const rest = words.textContent;
  const buttons = [...form.querySelectorAll("button")];
  const show = (count) => {
    words.textContent = count ? `${count} selected` : rest;
    form.classList.toggle("is-active", count > 0);
    for (const button of buttons) button.disabled = count === 0;
  };
  document.addEventListener("lux:selected", (event) => {
    if (!event.detail.form || event.detail.form === form) show(event.detail.count);
  });
  show([...form.elements].filter((field) => field.matches(".table__select input:checked")).length);
}
