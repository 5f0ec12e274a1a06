// Models that are on their way, and a server that is away.

import {complain, forgive, tell} from './messages.js';
import {readAbilities} from './server.js';

const PATIENCE_MS = 1000;

// Calls welcome(abilities) when the server tells what it has, and again while
// it loads more.
export function waitForModels(welcome) {
  let away = false;
  let next = null;

  function lookLater() {
    clearTimeout(next);
    next = setTimeout(look, PATIENCE_MS);
  }

  function lookNow() {
    away = false;
    forgive();
    tell('Looking for the models…');
    look();
  }

  async function look() {
    let abilities;
    try {
      abilities = await readAbilities();
    } catch (error) {
      // Said once: a screen reader would read it out each time.
      if (!away) {
        away = true;
        const sentence = `${error.message} This page goes on by itself then.`;
        complain(new Error(sentence), lookNow);
      }
      lookLater();
      return;
    }
    if (away) {
      away = false;
      forgive();
    }
    if (abilities.loading.length) {
      lookLater();
    }
    welcome(abilities);
  }

  lookNow();
}
