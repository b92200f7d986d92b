// .settings-nav: on narrow screens it scrolls sideways; the page one is on comes into view.
export function startSettingsNav(root) {
  for (const current of root.querySelectorAll(".settings-nav [aria-current]")) {
    const list = current.closest("ul");
    list.scrollLeft = current.offsetLeft - list.offsetLeft - (list.clientWidth - current.offsetWidth) / 2;
  }
}
