// Streams one answer from tokenwire to the terminal: the answer to stdout as
// its tokens arrive, how it ended to stderr.
import { once } from 'node:events';

import { run } from './example.js';

/** Sends text and prints the answer while it is written. */
async function chat(client, options, text) {
  const call = client.Send({ content: text }, options);
  // Ctrl-C cancels the call, and the server stops the model. `once`: a second
  // Ctrl-C ends the program.
  process.once('SIGINT', () => call.cancel());

  let last = null;
  try {
    for await (const answer of call) {
      last = answer;
      // A slow reader of stdout slows the call down instead of filling memory.
      if (!process.stdout.write(answer.content)) await once(process.stdout, 'drain');
    }
  } finally {
    if (last) process.stdout.write('\n');
  }
  if (last) report(last);
}

/** Says how the answer ended; the last Answer of a call knows. */
function report({ model, finish_reason, usage }) {
  console.error(`model: ${model}`);
  console.error(`finish reason: ${finish_reason}`);
  console.error(
    usage
      ? `usage: ${usage.input_tokens} input tokens, ${usage.output_tokens} output tokens`
      : 'usage: not reported by the upstream',
  );
}

await run('main.js HOST:PORT TEXT', chat);
