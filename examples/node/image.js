// Asks a question about an image in a file.
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';

import { ExampleError, ask, run } from './example.js';

const MEDIA_TYPES = {
  '.gif': 'image/gif',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
};

/** Sends an image with a text and prints the answer. */
async function describe(client, options, file, text) {
  const media_type = MEDIA_TYPES[extname(file).toLowerCase()];
  if (!media_type) {
    throw new ExampleError(`${file}: its name must end with ${Object.keys(MEDIA_TYPES).join(', ')}`);
  }
  // An image on the web needs no download here: { url: 'https://...' }.
  const image = { inline: await read(file), media_type };
  const answer = await ask(client, { content: text, parts: [image] }, options);
  console.log(answer.content);
}

async function read(file) {
  try {
    return await readFile(file);
  } catch (error) {
    throw new ExampleError(error.message);
  }
}

await run('image.js HOST:PORT FILE TEXT', describe);
