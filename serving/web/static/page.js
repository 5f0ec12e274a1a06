// The page: choosing a picture, asking, showing.

import {Gaze} from './gaze.js';
import {draw, percent} from './overlay.js';
import {make, scoreList, sentence, wordLists} from './results.js';
import * as server from './server.js';

const MEGABYTE = 1 << 20;
const FORMS = ['answer', 'ground', 'fill_mask', 'match'];

const $ = (id) => document.getElementById(id);
const image = $('image');

const state = {
  abilities: null,
  picture: null, // Bytes, as the models get them.
  regions: [],
  chosen: 0, // Counts pictures: answers about an earlier one are dropped.
  shown: null, // What the overlay holds, but for a region that is pointed at.
};

const gaze = new Gaze((boxes, weights, word) => {
  show(boxes, weights, -1, `Attention of “${word}”`);
});

// What happens, for those who cannot see it as well.
function tell(text) {
  $('status').textContent = text;
}

function complain(error, retry = null) {
  $('problem-text').textContent = error.message;
  $('problem').hidden = false;
  $('retry').hidden = !retry;
  $('retry').onclick = retry;
  tell('');
}

function forgive() {
  $('problem').hidden = true;
}

// Names of boxes by the detector's; an answer may come about other boxes.
function nameOf(box) {
  const same = state.regions.find((region) =>
    region.box.every((c, k) => Math.abs(c - box[k]) < 0.6),
  );
  return same ? same.category : '';
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
  const labels = state.regions.map((region) => region.category);
  $('region-list').replaceChildren(
    ...state.regions.map((region, lit) => {
      const text = `${region.category} ${percent(region.score)}`;
      const chip = make('button', {type: 'button', class: 'chip'}, text);
      const light = () => draw($('overlay'), image, {boxes, labels, lit});
      chip.addEventListener('click', light);
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
    if (state.abilities?.models.detect) {
      tell('Looking for regions…');
      const regions = await server.findRegions(picture);
      if (chosen !== state.chosen) {
        return;
      }
      state.regions = regions;
      listRegions();
      showRegions();
    }
    tell(`${title} is ready. ${credit && `Photo: ${credit}.`}`);
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
    const found = await server.ask(what, picture, text);
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

function offerPhotos(photos) {
  $('photos').replaceChildren(
    ...photos.map(({name, title, credit}) => {
      const about = credit ? `${title}. Photo: ${credit}` : title;
      const button = make(
        'button',
        {type: 'button', title: about, 'aria-pressed': false},
        make('img', {
          src: `photos/${encodeURIComponent(name)}`,
          alt: title,
          loading: 'lazy',
        }),
      );
      button.addEventListener('click', async () => {
        for (const other of $('photos').children) {
          other.setAttribute('aria-pressed', other === button);
        }
        try {
          choose(await server.readPhoto(name), title, credit);
        } catch (error) {
          complain(error);
        }
      });
      return button;
    }),
  );
}

async function start() {
  forgive();
  tell('Looking for the models…');
  try {
    const abilities = await server.readAbilities();
    state.abilities = abilities;
    for (const id of FORMS) {
      $(id).hidden = !abilities.models[id];
    }
    $('about').hidden = !abilities.about;
    $('about').textContent = abilities.about;
    offerPhotos(abilities.photos);
    const used = [...new Set(Object.values(abilities.models))];
    const lacking = abilities.missing.map(
      (name) => ` The server has no model named ${name}.`,
    );
    $('models').textContent = `Models: ${used.join(', ') || 'none'}.${lacking.join('')}`;
    tell(
      used.length
        ? 'Choose a picture, then ask.'
        : 'The server has no model that this page can ask.',
    );
  } catch (error) {
    complain(error, start);
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
  window.addEventListener('resize', redraw);
}

listen();
start();
