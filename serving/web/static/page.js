// The page: choosing a picture, asking, showing.

import {Gaze} from './gaze.js';
import {complain, forgive, tell} from './messages.js';
import {draw, percent} from './overlay.js';
import {offerPhotos} from './photos.js';
import {make, scoreList, sentence, wordLists} from './results.js';
import * as server from './server.js';
import {boxAt, Tags} from './tags.js';
import {waitForModels} from './waiting.js';

const MEGABYTE = 1 << 20;
const FORMS = ['answer', 'choose', 'ground', 'fill_mask', 'match'];

const $ = (id) => document.getElementById(id);
const image = $('image');

const state = {
  abilities: null,
  picture: null, // Bytes, as the models get them.
  regions: [],
  chosen: 0, // Counts pictures: answers about an earlier one are dropped.
  shown: null, // What the overlay holds, but for a region that is pointed at.
};

const candidates = [...document.getElementsByName('candidate')];
const tags = new Tags([$('choose-text'), ...candidates]);

const gaze = new Gaze((boxes, weights, word) => {
  show(boxes, weights, -1, `Attention of “${word}”`);
});

// Regions have numbers where texts can name them.
function named(category, number) {
  return state.abilities?.models.choose ? `[${number}] ${category}` : category;
}

// Names of boxes by the detector's; an answer may come about other boxes.
function nameOf(box) {
  const number = state.regions.findIndex((region) =>
    region.box.every((c, k) => Math.abs(c - box[k]) < 0.6),
  );
  return number < 0 ? '' : named(state.regions[number].category, number);
}

function namesOf(boxes) {
  return boxes.map((box, i) => nameOf(box) || `region ${i + 1}`);
}

function show(boxes, weights, lit, caption) {
  const names = namesOf(boxes);
  const labels = weights
    ? names.map((name, i) => `${name} ${percent(weights[i])}`)
    : names;
  state.shown = {boxes, labels, weights, lit};
  $('caption').textContent = caption;
  draw($('overlay'), image, state.shown);
}

function redraw() {
  if (state.shown) {
    draw($('overlay'), image, state.shown);
  }
}

function showRegions() {
  const boxes = state.regions.map((region) => region.box);
  show(boxes, null, -1, boxes.length ? 'Regions that the detector found' : '');
}

function listRegions() {
  $('regions').hidden = !state.regions.length;
  $('regions-title').textContent = `Regions (${state.regions.length})`;
  const boxes = state.regions.map((region) => region.box);
  const labels = state.regions.map(({category}, i) => named(category, i));
  $('region-list').replaceChildren(
    ...state.regions.map((region, lit) => {
      const text = `${labels[lit]} ${percent(region.score)}`;
      const chip = make('button', {type: 'button', class: 'chip'}, text);
      const light = () => draw($('overlay'), image, {boxes, labels, lit});
      chip.addEventListener('click', () => {
        light();
        tags.write(lit);
      });
      chip.addEventListener('focus', light);
      chip.addEventListener('mouseenter', light);
      chip.addEventListener('mouseleave', redraw);
      chip.addEventListener('blur', redraw);
      return make('li', {}, chip);
    }),
  );
}

function clearResults() {
  gaze.hide();
  for (const output of document.querySelectorAll('.result')) {
    output.replaceChildren();
  }
}

async function loadImage(blob) {
  const url = URL.createObjectURL(blob);
  const old = image.src;
  image.src = url;
  await image.decode();
  if (old) {
    URL.revokeObjectURL(old);
  }
}

async function lookForRegions(chosen) {
  if (!state.abilities?.models.detect) {
    return;
  }
  tell('Looking for regions…');
  const regions = await server.findRegions(state.picture);
  if (chosen === state.chosen) {
    state.regions = regions;
    listRegions();
    showRegions();
  }
}

async function choose(file, title, credit = '') {
  const chosen = ++state.chosen;
  forgive();
  try {
    const most = state.abilities?.max_upload_mb ?? 20;
    if (file.size > most * MEGABYTE) {
      throw new server.Problem(
        `An image may have at most ${most} MB. Received: ` +
          `${(file.size / MEGABYTE).toFixed(1)} MB. Make it smaller first.`,
      );
    }
    tell('Reading the picture…');
    const picture = await server.prepareImage(file);
    if (chosen !== state.chosen) {
      return;
    }
    await loadImage(picture);
    state.picture = picture;
    state.regions = [];
    image.alt = title;
    $('figure').hidden = false;
    clearResults();
    listRegions();
    showRegions();
    await lookForRegions(chosen);
    if (chosen === state.chosen) {
      tell(`${title} is ready. ${credit && `Photo: ${credit}.`}`);
    }
  } catch (error) {
    if (chosen === state.chosen) {
      complain(error);
    }
  }
}

const SHOWN = {
  answer(found, output) {
    output.replaceChildren(scoreList(found.answers));
    show(found.boxes, found.attention, -1, 'Attention of the answer');
    return `Answer: ${found.answers[0].text}, ${percent(found.answers[0].score)}`;
  },
  choose(found, output) {
    const order = found.probabilities
      .map((score, i) => ({text: candidates[i].value, score}))
      .sort((a, b) => b.score - a.score);
    output.replaceChildren(scoreList(order));
    return `Chosen: ${order[0].text}, ${percent(order[0].score)}`;
  },
  ground(found, output) {
    const names = namesOf(found.boxes);
    const order = found.scores
      .map((score, i) => ({text: names[i], score}))
      .sort((a, b) => b.score - a.score);
    output.replaceChildren(scoreList(order.slice(0, 5)));
    show(found.boxes, found.scores, found.index, 'The region that is meant');
    return `Found: ${names[found.index]}`;
  },
  fill_mask(found, output) {
    output.replaceChildren(...wordLists(found.words, found.words_without_image));
    return `Best word: ${found.words[0][0].text}`;
  },
  match(found, output) {
    const share = percent(found.score);
    output.replaceChildren(
      sentence(`It describes the picture with a probability of ${share}.`),
      scoreList([{text: 'describes it', score: found.score}]),
    );
    return `Match: ${share}`;
  },
};

async function lookFurther(picture, text, chosen) {
  if (!state.abilities.models.attend) {
    return;
  }
  const found = await server.ask('attend', picture, text);
  if (chosen === state.chosen) {
    gaze.open(found, namesOf(found.boxes));
  }
}

async function submit(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const what = form.id;
  const text = form.elements.text.value;
  const button = form.querySelector('.line button');
  const {picture, chosen} = state;
  forgive();
  if (!picture) {
    complain(new Error('A question needs a picture. Choose one first.'));
    return;
  }
  button.disabled = true;
  form.setAttribute('aria-busy', true);
  tell('Asking…');
  try {
    if (what === 'answer') {
      gaze.hide();
    }
    const some = what === 'choose' ? candidates.map(({value}) => value) : [];
    const found = await server.ask(what, picture, text, some);
    if (chosen === state.chosen) {
      tell(SHOWN[what](found, form.querySelector('.result')));
      if (what === 'answer') {
        await lookFurther(picture, text, chosen);
      }
    }
  } catch (error) {
    if (chosen === state.chosen) {
      form.querySelector('.result').replaceChildren();
      complain(error);
    }
  } finally {
    button.disabled = false;
    form.removeAttribute('aria-busy');
  }
}

function offer(abilities) {
  const first = !state.abilities;
  state.abilities = abilities;
  for (const id of FORMS) {
    $(id).hidden = !abilities.models[id];
  }
  $('about').hidden = !abilities.about;
  $('about').textContent = abilities.about;
  if (first) {
    offerPhotos(abilities.photos, choose);
  }
  const used = [...new Set(Object.values(abilities.models))];
  const others = [
    ...abilities.loading.map((name) => ` Being loaded: ${name}.`),
    ...abilities.missing.map((name) => ` The server has no model named ${name}.`),
  ];
  $('models').textContent = `Models: ${used.join(', ') || 'none'}.${others.join('')}`;
  return used.length > 0;
}

function welcome(abilities) {
  const had = state.abilities?.models ?? {};
  if (!offer(abilities)) {
    tell(
      abilities.loading.length
        ? `The server is loading ${abilities.loading.join(', ')}. This page goes on by itself.`
        : 'The server has no model that this page can ask.',
    );
  } else if (!state.picture) {
    tell('Choose a picture, then ask.');
  } else if (!had.detect && abilities.models.detect) {
    catchUp();
  }
}

// The picture was chosen before the detector was there.
async function catchUp() {
  try {
    await lookForRegions(state.chosen);
    tell('The picture is ready.');
  } catch (error) {
    complain(error);
  }
}

function listen() {
  const file = $('file');
  file.addEventListener('change', () => {
    if (file.files.length) {
      choose(file.files[0], file.files[0].name);
      file.value = '';
    }
  });
  const drop = $('drop');
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
  document.addEventListener('dragleave', () => drop.classList.remove('over'));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    const dropped = event.dataTransfer.files[0];
    if (dropped) {
      choose(dropped, dropped.name);
    }
  });
  document.addEventListener('paste', (event) => {
    const pasted = event.clipboardData.files[0];
    if (pasted) {
      choose(pasted, 'The pasted picture');
    }
  });
  for (const id of FORMS) {
    $(id).addEventListener('submit', submit);
  }
  $('overlay').addEventListener('click', ({clientX, clientY}) => {
    const {left, top, width, height} = image.getBoundingClientRect();
    const number = boxAt(
      state.regions.map((region) => region.box),
      ((clientX - left) / width) * image.naturalWidth,
      ((clientY - top) / height) * image.naturalHeight,
    );
    if (number >= 0) {
      tags.write(number);
    }
  });
  window.addEventListener('resize', redraw);
}

listen();
waitForModels(welcome);
