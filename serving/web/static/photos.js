// Pictures for those who have none at hand.

import {complain} from './messages.js';
import {make} from './results.js';
import {readPhoto} from './server.js';

// choose(file, title, credit) takes the one that is clicked.
export function offerPhotos(photos, choose) {
  const group = document.getElementById('photos');
  group.replaceChildren(
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
        for (const other of group.children) {
          other.setAttribute('aria-pressed', other === button);
        }
        try {
          choose(await readPhoto(name), title, credit);
        } catch (error) {
          complain(error);
        }
      });
      return button;
    }),
  );
}
