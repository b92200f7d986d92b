// nav[data-toc]: marks the heading that is being read.
export function startToc(root) {
  for (const toc of root.querySelectorAll("nav[data-toc]:not([data-ready])")) {
    toc.dataset.ready = "";
    const links = new Map([...toc.querySelectorAll("a")].map((link) => [decodeURIComponent(link.hash.slice(1)), link]));
    const seen = new IntersectionObserver(
      (entries) => {
        const entry = entries.find((item) => item.isIntersecting);
        if (!entry) return;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target.id).setAttribute("aria-current", "true");
      },
      { rootMargin: "-70px 0px -70% 0px" },
    );
    for (const id of links.keys()) {
      const heading = document.getElementById(id);
      if (heading) seen.observe(heading);
    }
  }
}
