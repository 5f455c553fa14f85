// Copies the text of [data-copy-text] when the Copy button is pressed, and says that it did.
import { toast } from "../main.js";

export default function copy(box) {
  const button = box.querySelector("[data-copy]");
  const source = box.querySelector("[data-copy-text]");
  button.addEventListener("click", async () => {
    const text = "value" in source ? source.value : source.textContent;
    try {
      await navigator.clipboard.writeText(text);
      toast("success", "Copied.");
    } catch {
      source.select?.();
      toast("info", "Select the text and press Ctrl C: this browser does not let LUX copy.");
    }
  });
}
