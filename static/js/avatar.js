// [data-avatar-upload]: shows the chosen picture before it is sent.
export function startAvatarPreview(root) {
  for (const box of root.querySelectorAll("[data-avatar-upload]:not([data-ready])")) {
    box.dataset.ready = "";
    const input = box.querySelector("input[type=file]");
    input?.addEventListener("change", () => {
      const [file] = input.files;
      const shown = box.querySelector(".avatar");
      if (!file?.type.startsWith("image/")) return;
      const picture = document.createElement("img");
      picture.className = `avatar avatar--xl ${shown.classList.contains("avatar--square") ? "avatar--square" : ""}`;
      picture.alt = "";
      picture.src = URL.createObjectURL(file);
      picture.addEventListener("load", () => URL.revokeObjectURL(picture.src), { once: true });
      shown.replaceWith(picture);
    });
  }
}
