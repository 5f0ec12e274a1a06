// Boxes over the picture.

const SVG = 'http://www.w3.org/2000/svg';
// Attention over many regions is small: 0.4% is not 0.9%.
const PERCENT = new Intl.NumberFormat('en', {
  style: 'percent',
  maximumSignificantDigits: 2,
});

export function percent(share) {
  return PERCENT.format(share);
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  return made;
}

// boxes: [x1, y1, x2, y2] in pixels of the image. labels: a text for each.
// weights: a share for each, or null where all are alike. lit: number of the
// box that is meant, or -1.
export function draw(svg, image, {boxes, labels, weights = null, lit = -1}) {
  const width = image.naturalWidth;
  const height = image.naturalHeight;
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.replaceChildren();
  // Letters of some 14 pixels on the screen, whatever the image's own size.
  const shown = image.clientWidth || width;
  const size = (14 * width) / shown;
  const strongest = weights ? Math.max(...weights, 1e-9) : 1;
  boxes.forEach(([x1, y1, x2, y2], i) => {
    const share = weights ? weights[i] / strongest : 0.4;
    const group = element('g', {class: 'roi', 'data-index': i});
    group.classList.toggle('strong', Boolean(weights) && share > 0.5);
    group.classList.toggle('lit', i === lit);
    group.append(
      element('rect', {
        x: x1,
        y: y1,
        width: x2 - x1,
        height: y2 - y1,
        'stroke-width': i === lit ? 5 : 1 + 3 * share,
        opacity: i === lit ? 1 : 0.35 + 0.65 * share,
      }),
    );
    const weak = lit >= 0 ? i !== lit : share < 0.15;
    if (labels[i] && !weak) {
      // Where a label would leave the image, it ends with its box.
      const left = x1 < 0.6 * width;
      const text = element('text', {
        x: left ? x1 + size / 4 : Math.min(x2, width - size / 4),
        y: Math.max(y1 - size / 4, size),
        'font-size': size,
        'text-anchor': left ? 'start' : 'end',
      });
      text.textContent = labels[i];
      group.append(text);
    }
    svg.append(group);
  });
}
