// Numbers of regions, written into a text by choosing the region.

// fields: inputs that take numbers. A region that is chosen while none of them
// was the last to be written in names nothing.
export class Tags {
  constructor(fields) {
    this.field = null;
    document.addEventListener('focusin', ({target}) => {
      if (fields.includes(target)) {
        this.field = target;
      } else if (target.matches('input')) {
        this.field = null;
      }
    });
  }

  // Puts [number] where the caret was, and the caret behind it.
  write(number) {
    if (!this.field) {
      return;
    }
    const {selectionStart: start, selectionEnd: end} = this.field;
    this.field.setRangeText(`[${number}]`, start, end, 'end');
    this.field.focus();
  }
}

// Number of the smallest box around a point, or -1.
export function boxAt(boxes, x, y) {
  let best = -1;
  let least = Infinity;
  boxes.forEach(([x1, y1, x2, y2], i) => {
    const area = (x2 - x1) * (y2 - y1);
    if (x1 <= x && x <= x2 && y1 <= y && y <= y2 && area < least) {
      [best, least] = [i, area];
    }
  });
  return best;
}
