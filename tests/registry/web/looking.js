// What the tests ask a page in the browser: the contrast of its words, and whether it can be found one's way in.

// Words with the least contrast to what lies behind them: WCAG's ratio, and the ratio that they need.
function contrasts() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parse = (value) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = value;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const part = (value) => ((value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const light = (colour) => 0.2126 * part(colour[0]) + 0.7152 * part(colour[1]) + 0.0722 * part(colour[2]);
  const paint = (element) => {
    const style = getComputedStyle(element);
    const shape = element instanceof SVGGeometryElement;
    if (element instanceof SVGElement && !(element instanceof SVGSVGElement)) {
      if (!shape || style.fill === "none") return [0, 0, 0, 0];
      const colour = parse(style.fill);
      return [...colour.slice(0, 3), colour[3] * style.fillOpacity * style.opacity];
    }
    return parse(style.backgroundColor);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const words = walker.currentNode.data.trim();
    const element = walker.currentNode.parentElement;
    if (!words || element.closest("script, noscript, title, option, select, datalist, .unseen, .skip")) continue;
    if (!element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    const box = range.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    const stack = document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    let colours = [];
    for (const below of stack) {
      if (below instanceof SVGTextContentElement) continue;
      colours.push(paint(below));
      if (colours.at(-1)[3] >= 1) break;
    }
    colours.push(paint(document.documentElement));
    const behind = colours.reduceRight((below, top) => over(top, below));
    const style = getComputedStyle(element);
    const ink = over(parse(element instanceof SVGElement ? style.fill : style.color), behind);
    const [dark, bright] = [light(ink), light(behind)].sort((a, b) => a - b);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    found.push({ words: words.slice(0, 40), ratio: (bright + 0.05) / (dark + 0.05), needed: large ? 3 : 4.5 });
  }
  return found;
}

// What a reader who cannot see the page would miss.
function obstacles() {
  const missing = [];
  const note = (wrong, element) => missing.push(`${wrong}: ${element.outerHTML.slice(0, 120)}`);
  const one = (selector) => {
    const count = document.querySelectorAll(selector).length;
    if (count !== 1) missing.push(`${count} × ${selector}`);
  };
  ["main", "body > header", "body > footer", "h1", "[role=search]", "html[lang=en]", "head > title"].forEach(one);
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const next = Number(heading.localName[1]);
    if (next > level + 1) note("a level is left out", heading);
    if (!heading.textContent.trim()) note("empty", heading);
    level = next;
  }
  for (const nav of document.querySelectorAll("nav, section, article, [role=region], svg[role]")) {
    const by = nav.getAttribute("aria-labelledby");
    const label = nav.getAttribute("aria-label") || (by && document.getElementById(by)?.textContent);
    if (!label || !label.trim()) note("has no name", nav);
  }
  for (const svg of document.querySelectorAll("svg")) {
    if (!svg.hasAttribute("role") && svg.getAttribute("aria-hidden") !== "true") note("neither named nor hidden", svg);
  }
  for (const field of document.querySelectorAll("input, select, textarea")) {
    if (!field.labels.length) note("has no label", field);
  }
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption || !table.caption.textContent.trim()) note("has no caption", table);
    for (const head of table.querySelectorAll("th")) if (!head.scope) note("has no scope", head);
    for (const row of table.querySelectorAll("tbody tr")) if (!row.querySelector("th")) note("has no heading", row);
  }
  for (const link of document.querySelectorAll("a, button, summary")) {
    if (!(link.getAttribute("aria-label") || link.textContent).trim()) note("says nothing", link);
  }
  for (const element of document.querySelectorAll("[tabindex]")) if (element.tabIndex > 0) note("jumps", element);
  for (const element of document.querySelectorAll("[aria-hidden=true] a, [aria-hidden=true] button")) {
    note("hidden but reached by the keyboard", element);
  }
  return missing;
}

// Parts of the page that are wider than the window, and do not scroll by themselves.
function wide() {
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".scroll, pre, .unseen"))
    .map((element) => element.outerHTML.slice(0, 120));
}
