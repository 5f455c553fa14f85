// A button whose answer is a file: the page stays, so the button must not stay busy.
const PAUSE_MS = 1500;

export default function download(button) {
  button.form?.addEventListener("submit", (event) => {
    if (event.submitter === button) setTimeout(() => button.removeAttribute("aria-busy"), PAUSE_MS);
  });
}
