// Shows the message again after each save of the draft.
export default function preview(box) {
  let timer;
  document.addEventListener("lux:saved", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      for (const frame of box.querySelectorAll("iframe")) frame.setAttribute("src", frame.getAttribute("src"));
    }, 300);
  });
}
