// What the page says of itself.

const problem = document.getElementById('problem');
const status = document.getElementById('status');
const retryButton = document.getElementById('retry');

// What happens, for those who cannot see it as well.
export function tell(text) {
  status.textContent = text;
}

// retry: what a button to try again does, or null for none.
export function complain(error, retry = null) {
  document.getElementById('problem-text').textContent = error.message;
  problem.hidden = false;
  retryButton.hidden = !retry;
  retryButton.onclick = retry;
  tell('');
}

export function forgive() {
  problem.hidden = true;
}
