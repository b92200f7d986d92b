// Editors of files and cards: warns before unsaved text is left, the card's preview and fields follow.
const TYPING_PAUSE_MS = 700;

function guard(form) {
  let isDirty = Boolean(document.querySelector(".field__errors, .alert--warning"));
  form.addEventListener("input", () => (isDirty = true));
  form.addEventListener("submit", () => (isDirty = false));
  addEventListener("beforeunload", (event) => {
    if (isDirty) event.preventDefault();
  });
}

// Ctrl+Enter (or Command+Enter) commits: Tab must keep leaving the field for those who use the keyboard only.
function submitByKey(area) {
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) area.form.requestSubmit();
  });
}

function followTyping(button) {
  const area = button.closest("form").elements[button.dataset.livePreview];
  let timer = 0;
  area.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => button.click(), TYPING_PAUSE_MS);
  });
  if (area.value.trim()) addEventListener("load", () => button.click(), { once: true });
}

// A licence outside the list needs a name and a link; for the others the two fields are noise.
function otherLicense(form) {
  const { license } = form.elements;
  if (!license) return;
  const fields = ["license_name", "license_link"].map((name) => form.elements[name].closest(".field"));
  const show = () => {
    for (const field of fields) field.hidden = license.value !== "other";
  };
  license.addEventListener("change", show);
  show();
}

for (const form of document.querySelectorAll("form[data-leave-guard]")) {
  guard(form);
  otherLicense(form);
  for (const area of form.querySelectorAll("textarea")) submitByKey(area);
}
for (const button of document.querySelectorAll("[data-live-preview]")) followTyping(button);
