// form[data-shortcut="/"]: the key focuses its search input, unless one is typing.
export function startSearchShortcut() {
  const form = document.querySelector("form[data-shortcut]");
  if (!form) return;
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key !== form.dataset.shortcut || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    form.querySelector("input[type=search]").focus();
  });
}
