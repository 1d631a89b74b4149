// Run in a page that holds one iframe for each width: writes what is wrong with each page into the document, as JSON.
const TOLERATED = 1;

function texts(doc) {
  const found = [];
  const walker = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("title, style, script")) continue;
    const range = doc.createRange();
    range.selectNodeContents(node);
    const rects = [...range.getClientRects()].filter((rect) => rect.width > 0 && rect.height > 0);
    if (rects.length) found.push({ words: node.data.trim().slice(0, 60), element, rects });
  }
  return found;
}

function clipped(doc, width) {
  const wrong = [];
  for (const element of doc.body.querySelectorAll("*")) {
    if (element.ownerSVGElement) continue;
    const name = `${element.tagName} ${element.textContent.trim().slice(0, 40)}`;
    if (element.clientWidth && element.scrollWidth > element.clientWidth + TOLERATED) wrong.push(`clipped: ${name}`);
    const rect = element.getBoundingClientRect();
    if (rect.left < -TOLERATED || rect.right > width + TOLERATED) wrong.push(`off-screen: ${name}`);
  }
  for (const { words, rects } of texts(doc)) {
    if (rects.some((rect) => rect.left < -TOLERATED || rect.right > width + TOLERATED)) wrong.push(`off-screen: ${words}`);
  }
  return wrong;
}

function overlapping(doc) {
  const all = texts(doc).flatMap(({ words, rects }, number) => rects.map((rect) => ({ words, rect, number })));
  const wrong = [];
  all.forEach((one, index) => {
    for (const other of all.slice(index + 1)) {
      const across = Math.min(one.rect.right, other.rect.right) - Math.max(one.rect.left, other.rect.left);
      const down = Math.min(one.rect.bottom, other.rect.bottom) - Math.max(one.rect.top, other.rect.top);
      if (one.number !== other.number && across > TOLERATED && down > TOLERATED)
        wrong.push(`overlap: ${one.words} | ${other.words}`);
    }
  });
  return wrong;
}

function small(doc) {
  return texts(doc)
    .filter(({ element }) => element.ownerSVGElement)
    .map(({ words, element }) => ({
      words,
      px: parseFloat(getComputedStyle(element).fontSize) * element.getScreenCTM().a,
    }))
    .filter(({ px }) => px < 9)
    .map(({ words, px }) => `${px.toFixed(1)} px: ${words}`);
}

function uneven(doc) {
  return [...doc.querySelectorAll("table")].flatMap((table) =>
    [...table.rows]
      .filter((row) => row.cells.length !== table.rows[0].cells.length)
      .map((row) => `cells: ${row.textContent.slice(0, 60)}`),
  );
}

function squeezed(doc) {
  return texts(doc)
    .filter(({ element }) => element.matches("td.label"))
    .map(({ words, rects }) => ({ words, lines: new Set(rects.map((rect) => rect.top)).size }))
    .filter(({ words, lines }) => lines > 2 && lines > words.split(" ").length / 2)
    .map(({ words, lines }) => `a word a line: ${words} in ${lines} lines`);
}

function rgb(color) {
  return color.match(/[\d.]+/g).map(Number);
}

function luminance(color) {
  const [red, green, blue] = rgb(color).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function background(element) {
  for (let one = element; one; one = one.parentElement) {
    const color = getComputedStyle(one).backgroundColor;
    if (rgb(color)[3] !== 0) return color;
  }
  return "rgb(255, 255, 255)";
}

function faint(doc) {
  // WCAG 2.2, 1.4.3: 4.5 to 1
  const wrong = texts(doc)
    .map(({ words, element }) => {
      const style = getComputedStyle(element);
      const pair = [luminance(element.ownerSVGElement ? style.fill : style.color), luminance(background(element))];
      return { words, ratio: (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05) };
    })
    .filter(({ ratio }) => ratio < 4.5)
    .map(({ words, ratio }) => `contrast ${ratio.toFixed(1)}: ${words}`);
  return wrong;
}

window.addEventListener("load", () => {
  const found = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const doc = frame.contentDocument;
    const wrong = [clipped(doc, frame.clientWidth), overlapping(doc), small(doc), uneven(doc), squeezed(doc), faint(doc)];
    const isDark = luminance(background(doc.body)) < 0.2;
    found[frame.id] = { wrong: wrong.flat(), isDark, texts: texts(doc).length };
  }
  document.body.textContent = JSON.stringify(found);
});
