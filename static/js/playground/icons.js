// An icon of the sprite; the sprite's address is taken from an icon that the server drew.
const SVG = "http://www.w3.org/2000/svg";

export function drawIcon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  const sprite = document.querySelector(".playground use").getAttribute("href").replace(/#.*/, "");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}
