// Rows by keyboard: j and k move, x selects, Enter opens the row's first link; one box selects them all.
export default function table(element) {
  const rows = () => [...element.querySelectorAll("tr[data-row]")];
  const boxes = () => [...element.querySelectorAll("tbody .table__select input")];
  const all = element.querySelector("[data-select-all]");
  let current = -1;

  function move(step) {
    const list = rows();
    if (!list.length || !element.isConnected) return;
    list[current]?.classList.remove("is-current");
    current = Math.min(list.length - 1, Math.max(0, current + step));
    const row = list[current];
    row.classList.add("is-current");
    row.scrollIntoView({ block: "nearest" });
    (row.querySelector("th a, td a, a") ?? row.querySelector("input"))?.focus({ preventScroll: true });
  }

  function tell() {
    const chosen = boxes().filter((box) => box.checked);
    for (const box of boxes()) box.closest("tr").classList.toggle("is-selected", box.checked);
    if (all) {
      all.checked = chosen.length > 0 && chosen.length === boxes().length;
      all.indeterminate = chosen.length > 0 && !all.checked;
    }
    document.dispatchEvent(new CustomEvent("lux:selected", { detail: { form: chosen[0]?.form ?? boxes()[0]?.form, count: chosen.length } }));
  }

  document.addEventListener("lux:row", (event) => isFirst() && move(event.detail));
  document.addEventListener("lux:select", () => {
    const box = isFirst() && rows()[current]?.querySelector(".table__select input");
    if (box) box.click();
  });
  element.addEventListener("change", (event) => {
    if (event.target === all) for (const box of boxes()) box.checked = all.checked;
    if (event.target.matches(".table__select input")) tell();
  });
  if (boxes().some((box) => box.checked)) tell();

  function isFirst() {
    return document.querySelector('[data-module~="table"]') === element;
  }
}
