// Gradio has no component for these: pasting a photograph, and undo by the keyboard.
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])][0];
  const input = document.querySelector("#photograph input[type=file]");
  if (!file || !input) return;
  const carrier = new DataTransfer();
  carrier.items.add(file);
  input.files = carrier.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input[type=text], input[type=number], textarea");
  if (typing || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
  event.preventDefault();
  document.querySelector(event.shiftKey ? "#redo" : "#undo")?.click();
});
