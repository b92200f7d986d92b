// data-dialog-open="id" opens a <dialog>, data-dialog-close="id" closes it; a click on the backdrop closes too.
export function startDialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog-open]");
    if (opener) return document.getElementById(opener.dataset.dialogOpen)?.showModal();
    const closer = event.target.closest("[data-dialog-close]");
    if (closer) return document.getElementById(closer.dataset.dialogClose)?.close();
    if (event.target instanceof HTMLDialogElement) event.target.close();
  });
}
