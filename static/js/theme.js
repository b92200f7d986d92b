// form[data-theme-form]: changes the theme at once and posts the choice in the background; without script it posts.
export function startTheme() {
  const form = document.querySelector("form[data-theme-form]");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = new FormData(form, event.submitter);
    const theme = body.get("theme");
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button === event.submitter));
    const reply = await fetch(form.action, { method: "POST", body, redirect: "manual" }).catch(() => null);
    if (!reply || reply.status >= 400) form.submit();
  });
}
