// The page: a form, and the answer below it while it is written.
import { chat, connect } from './chat.js';

const form = document.querySelector('form');
const answer = document.querySelector('#answer');
const ending = document.querySelector('#ending');
let running = new AbortController();

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  running.abort(); // Leaving a call ends it, and the server stops the model.
  running = new AbortController();
  answer.textContent = '';
  ending.textContent = '';
  const { address, key, text } = Object.fromEntries(new FormData(form));
  const show = (piece) => answer.append(piece);
  ending.textContent = await chat(connect(address, key), text, show, running.signal);
});
