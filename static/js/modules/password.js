// Shows what was typed into a password field while its Show button is pressed in.
export default function password(row) {
  const input = row.querySelector("input");
  const button = row.querySelector("button");
  button.hidden = false;
  button.addEventListener("click", () => {
    const isShown = input.type === "password";
    input.type = isShown ? "text" : "password";
    button.textContent = isShown ? "Hide" : "Show";
    button.setAttribute("aria-pressed", String(isShown));
  });
}
