// Requests to the page's own server.

export class Problem extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Problem(
      'The page needs its own server. Received: no answer. ' +
        'Is vlbert-web, or vlbert-serve, still running?',
      0,
    );
  }
  if (response.ok) {
    return response;
  }
  const text = await response.text();
  let sentence = text || response.statusText;
  try {
    sentence = JSON.parse(text).error;
  } catch {
    // Not ours, so a text.
  }
  throw new Problem(sentence, response.status);
}

export async function readAbilities() {
  return (await send('api/abilities', {})).json();
}

export async function prepareImage(file) {
  return (await send('api/image', {method: 'POST', body: file})).blob();
}

export async function findRegions(image) {
  const response = await send('api/regions', {method: 'POST', body: image});
  return (await response.json()).regions;
}

export async function ask(what, image, text, candidates = []) {
  const body = new FormData();
  body.append('image', image, 'image');
  body.append('text', text);
  for (const candidate of candidates) {
    body.append('candidate', candidate);
  }
  return (await send(`api/ask/${what}`, {method: 'POST', body})).json();
}

export async function readPhoto(name) {
  return (await send(`photos/${encodeURIComponent(name)}`, {})).blob();
}
