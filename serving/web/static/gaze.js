// Attention of a word over the regions, by layer and head.

import {percent} from './overlay.js';
import {make} from './results.js';

const MEAN = 'mean';
const ANSWER = '[MASK]';

function mean(rows) {
  return rows[0].map(
    (_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length,
  );
}

export class Gaze {
  // show(boxes, weights, word) draws attention over the regions.
  constructor(show) {
    this.panel = document.getElementById('gaze');
    this.words = document.getElementById('words');
    this.layer = document.getElementById('layer');
    this.head = document.getElementById('head');
    this.rows = document.querySelector('#attention tbody');
    this.show = show;
    this.layer.addEventListener('change', () => this.update());
    this.head.addEventListener('change', () => this.update());
  }

  hide() {
    this.panel.hidden = true;
  }

  // found: answer of the server, names: a name for each region.
  open(found, names) {
    this.found = found;
    this.names = names;
    this.place = found.pieces.lastIndexOf(ANSWER);
    this.kept = this.place;
    const layers = found.attention.length;
    this.layer.replaceChildren(
      ...this.options(layers, layers - 1, (k) => `${k + 1}`),
    );
    this.head.replaceChildren(
      ...this.options(found.attention[0].length, -1, (k) => `${k + 1}`),
    );
    this.words.replaceChildren(
      ...found.pieces.map((piece, i) => this.chip(piece, i)),
    );
    this.panel.hidden = false;
    this.update();
  }

  options(count, chosen, name) {
    const all = [new Option('mean', MEAN, false, chosen < 0)];
    for (let k = 0; k < count; k++) {
      all.push(new Option(name(k), k, false, k === chosen));
    }
    return all;
  }

  chip(piece, i) {
    const text = i === this.place ? 'answer' : piece;
    const chip = make('button', {type: 'button', class: 'chip'}, text);
    chip.addEventListener('click', () => {
      this.kept = i;
      this.look(i);
    });
    chip.addEventListener('mouseenter', () => this.look(i));
    chip.addEventListener('mouseleave', () => this.look(this.kept));
    chip.addEventListener('focus', () => this.look(i));
    chip.addEventListener('blur', () => this.look(this.kept));
    return chip;
  }

  look(place) {
    this.place = place;
    this.update();
  }

  weights() {
    const {word_attention: layers} = this.found;
    const some = this.layer.value === MEAN ? layers : [layers[this.layer.value]];
    return mean(
      some.map((heads) => {
        const few = this.head.value === MEAN ? heads : [heads[this.head.value]];
        return mean(few.map((words) => words[this.place]));
      }),
    );
  }

  update() {
    const weights = this.weights();
    [...this.words.children].forEach((chip, i) => {
      chip.setAttribute('aria-pressed', i === this.place);
    });
    const order = weights.map((_, i) => i).sort((a, b) => weights[b] - weights[a]);
    this.rows.replaceChildren(
      ...order.map((i) =>
        make(
          'tr',
          {},
          make('td', {}, this.names[i]),
          make('td', {}, percent(weights[i])),
        ),
      ),
    );
    const word = this.words.children[this.place].textContent;
    this.show(this.found.boxes, weights, word);
  }
}
