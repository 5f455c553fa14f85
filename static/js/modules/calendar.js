// Drags things to another day: a drop sends the Move form of the thing, so that the server decides and says what happened.
export default function calendar(element) {
  const form = element.querySelector("[data-move-form]");
  let dragged = null;

  for (const item of element.querySelectorAll("[data-item]")) {
    item.draggable = true;
    item.addEventListener("dragstart", (event) => {
      dragged = item;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", item.innerText);
      item.classList.add("is-dragged");
    });
    item.addEventListener("dragend", () => {
      item.classList.remove("is-dragged");
      leave();
      dragged = null;
    });
  }

  for (const day of element.querySelectorAll("[data-day]")) {
    day.addEventListener("dragover", (event) => {
      if (!dragged) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "move";
      if (!day.classList.contains("is-target")) leave();
      day.classList.add("is-target");
    });
    day.addEventListener("drop", (event) => {
      if (!dragged) return;
      event.preventDefault();
      leave();
      if (day.contains(dragged)) return;
      form.action = dragged.dataset.move;
      form.elements.namedItem("date").value = day.dataset.day;
      form.requestSubmit();
    });
  }

  function leave() {
    for (const day of element.querySelectorAll(".is-target")) day.classList.remove("is-target");
  }
}
