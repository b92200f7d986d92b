// htmx manners: the CSRF header on every unsafe request, new content started, failures told.
// Configuration is in the htmx-config <meta> of base.html, because it must be read before htmx starts.
import { toast } from "./toast.js";

const token = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

// For fetch() in page scripts: headers for a same-origin POST, PUT, PATCH or DELETE; refusals come in the page's language.
export function csrfHeaders() {
  return { "X-CSRFToken": token(), "Accept-Language": document.documentElement.lang };
}

function wordsOf(request) {
  return request.getResponseHeader("X-Error-Message") || document.getElementById("toasts").dataset.failed;
}

export function startHtmx(startIn) {
  const { body } = document;
  body.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = token();
  });
  body.addEventListener("htmx:load", (event) => startIn(event.detail.elt));
  body.addEventListener("htmx:responseError", (event) => toast(wordsOf(event.detail.xhr)));
}
