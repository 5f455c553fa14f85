// Turns panes that stand one after the other into tabs with arrow keys.
export default function tabs(box) {
  const list = box.querySelector("[data-tablist]");
  const panes = [...box.querySelectorAll(":scope > [data-pane]")];
  const buttons = [...list.querySelectorAll("button")];
  list.setAttribute("role", "tablist");
  buttons.forEach((button, at) => {
    button.setAttribute("role", "tab");
    panes[at].setAttribute("role", "tabpanel");
    panes[at].removeAttribute("aria-label");
    panes[at].setAttribute("aria-labelledby", button.id);
    panes[at].tabIndex = 0;
    button.addEventListener("click", () => choose(at));
  });
  list.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose((to + buttons.length) % buttons.length, true);
  });

  function choose(index, withFocus = false) {
    buttons.forEach((button, at) => {
      button.setAttribute("aria-selected", String(at === index));
      button.tabIndex = at === index ? 0 : -1;
      panes[at].hidden = at !== index;
    });
    if (withFocus) buttons[index].focus();
  }
  choose(0);
  box.dataset.ready = "";
}
