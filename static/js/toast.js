// A short confirmation at the foot of the page; #toasts is a live region, so it is read out too.
export function toast(text, milliseconds = 4000) {
  const region = document.getElementById("toasts");
  if (!region) return;
  const line = document.createElement("p");
  line.className = "toast";
  line.textContent = text;
  region.append(line);
  setTimeout(() => line.remove(), milliseconds);
}
