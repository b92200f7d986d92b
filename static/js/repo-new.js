// The form for a new repo: plain words about the chosen licence, and only the fields that fit the kind.
const form = document.querySelector(".new-repo");
const notes = document.querySelector("[data-license-notes]");

function showLicense() {
  const chosen = form.elements.license.value;
  for (const note of notes.children) note.hidden = note.dataset.license !== chosen;
}

function showKind() {
  const kind = form.elements.repo_type.value;
  for (const part of form.querySelectorAll("[data-only]")) part.hidden = part.dataset.only !== kind;
}

notes.setAttribute("aria-live", "polite");
form.elements.license.addEventListener("change", showLicense);
for (const radio of form.querySelectorAll("[name=repo_type]")) radio.addEventListener("change", showKind);
showLicense();
showKind();
