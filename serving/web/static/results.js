// Answers as lists.

import {percent} from './overlay.js';

export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// scored: [{text, score}], the most probable first.
export function scoreList(scored) {
  const list = make('ol', {class: 'scores'});
  for (const {text, score} of scored) {
    const bar = make('meter', {min: 0, max: 1, value: score, 'aria-hidden': true});
    list.append(
      make(
        'li',
        {},
        make('span', {class: 'name'}, text),
        make('span', {class: 'share'}, percent(score)),
        bar,
      ),
    );
  }
  return list;
}

// One column for each blank, with the image and without it.
export function wordLists(withImage, withoutImage) {
  const parts = [];
  withImage.forEach((words, i) => {
    const which = withImage.length > 1 ? `, blank ${i + 1}` : '';
    parts.push(
      make(
        'div',
        {class: 'pair'},
        make('div', {}, make('h3', {}, `With the picture${which}`), scoreList(words)),
        make(
          'div',
          {},
          make('h3', {}, `Without it${which}`),
          scoreList(withoutImage[i] ?? []),
        ),
      ),
    );
  });
  return parts;
}

export function sentence(text) {
  return make('p', {}, text);
}
