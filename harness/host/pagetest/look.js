// SPDX-License-Identifier: Apache-2.0
//
// What can be read of a page, and what is wrong with it as it is laid out.
(() => {
  const wrong = [];
  const root = document.documentElement;
  const name = (node) => `${node.parentElement?.closest("svg") ? "figure: " : ""}"${node.textContent.trim().slice(0, 40)}"`;
  const ancestors = (element) => element ? [element, ...ancestors(element.parentElement)] : [];

  if (root.scrollWidth > root.clientWidth) wrong.push(`the page scrolls sideways: ${root.scrollWidth} of ${root.clientWidth} px`);
  if (performance.getEntriesByType("resource").length) wrong.push("the page loads something");
  if (document.scripts.length || window.ran) wrong.push("the page has a script");
  const scrolling = [...document.querySelectorAll("body *")].filter((e) => getComputedStyle(e).overflowX === "auto" && e.scrollWidth > e.clientWidth);

  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const over = (front, alpha, back) => front.slice(0, 3).map((c, i) => c * alpha + back[i] * (1 - alpha));
  const background = (element) => {
    for (const e of ancestors(element)) {
      const [r, g, b, a = 1] = channels(getComputedStyle(e).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  };
  const luminance = (colour) => colour
    .map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (element) => {
    const style = getComputedStyle(element), back = background(element);
    const svg = element instanceof SVGElement;
    const front = channels(svg ? style.fill : style.color);
    const [low, high] = [luminance(over(front, svg ? Number(style.fillOpacity) : 1, back)), luminance(back)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };

  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode, element = text.parentElement;
    // Some text is for screen readers alone, some folded away.
    if (!text.data.trim() || !element.checkVisibility({ contentVisibilityAuto: true }) || ancestors(element).some((e) => getComputedStyle(e).clipPath !== "none")) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    for (const box of scrolling.some((e) => e.contains(element)) ? [] : range.getClientRects()) {
      if (box.left < 0 || box.right > root.clientWidth + 0.5) wrong.push(`outside of the page, from ${box.left} to ${box.right}: ${name(text)}`);
    }
    if (contrast(element) < 4.5) wrong.push(`contrast of ${contrast(element).toFixed(1)}: ${name(text)}`);
  }

  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size < ids.length) wrong.push(`ids that are there twice: ${ids}`);

  const figures = document.querySelectorAll("svg");
  for (const svg of figures) {
    const view = svg.viewBox.baseVal;
    const parts = [...svg.querySelectorAll("text, rect:not(.paper), path")].map((part) => ({ part, box: part.getBBox() }));
    for (const { part, box } of parts) {
      const { left, right } = part.getBoundingClientRect();
      if (left < 0 || right > root.clientWidth) wrong.push(`outside of the page, from ${left} to ${right}: ${part.outerHTML}`);
      if (box.x < view.x || box.y < view.y || box.x + box.width > view.x + view.width || box.y + box.height > view.y + view.height) {
        wrong.push(`outside of its figure: ${part.outerHTML}`);
      }
    }
    // Nothing lies over a text, or a bar over another one. Lines may: they are marks and what is measured.
    const solid = parts.filter(({ part }) => part.tagName !== "path");
    solid.forEach(({ part: a, box: p }, i) => solid.slice(i + 1).forEach(({ part: b, box: q }) => {
      const across = Math.min(p.x + p.width, q.x + q.width) - Math.max(p.x, q.x);
      const down = Math.min(p.y + p.height, q.y + q.height) - Math.max(p.y, q.y);
      // A text's box has room above and below its letters.
      if (across > 0.5 && down > (a.tagName === "text" && b.tagName === "text" ? 4 : 2)) wrong.push(`over one another in a figure: ${a.outerHTML} ${b.outerHTML}`);
    }));
  }
  return { text: document.body.innerText.replace(/\s+/g, " "), figures: figures.length, scrolling: scrolling.length, wrong };
})()
