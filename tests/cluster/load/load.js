// Keeps answers running and checks each one, as load.py describes:
// load.js PROTO_FOLDER CONFIGURATION.
import { createInterface } from 'node:readline';

import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const TOKENS_PER_SECOND = 20;

const [folder, argument] = process.argv.slice(2);
const { target, streams, tokens, service_config } = JSON.parse(argument);
const definition = protoLoader.loadSync('tokenwire/v1/chatgpt.proto', {
  includeDirs: [folder],
  keepCase: true,
  defaults: true,
});
const { Chatgpt } = grpc.loadPackageDefinition(definition).openai;
const client = new Chatgpt(target, grpc.credentials.createInsecure(), {
  'grpc.service_config': JSON.stringify(service_config),
});

const counts = { complete: 0, running: 0, failures: [] };
const report = () => console.log(JSON.stringify(counts));
let ending = false;

/** Reads one answer and resolves to what is wrong with it, or to null. */
function answer(number) {
  const count = tokens[0] + Math.floor(Math.random() * (tokens[1] - tokens[0] + 1));
  const word = `w${number}x`;
  const pace = `pace tokens-per-second=${TOKENS_PER_SECOND}`;
  const content = `[[demo: ${pace}; filler ${count} word=${word}; finish; usage; done]]`;
  return new Promise((resolve) => {
    let text = '';
    let finished = false;
    const call = client.Send({ content }, { deadline: Date.now() + 120_000 });
    let ended = false; // after an error, grpc-js emits `end` too
    const end = (failure) => {
      if (text && !ended) counts.running -= 1;
      ended = true;
      resolve(failure);
    };
    call.on('data', (piece) => {
      if (piece.content && !text) counts.running += 1;
      text += piece.content;
      finished ||= Boolean(piece.finish_reason);
    });
    call.on('error', (error) => end(`${error.message} after ${text.length} characters`));
    call.on('end', () => {
      const found = text.split(' ').filter(Boolean);
      const whole = found.length === count && found.every((each) => each === word);
      end(finished && whole ? null : `${found.length} of ${count} words, finished: ${finished}`);
    });
  });
}

async function slot(number) {
  for (let next = number; !ending; next += streams) {
    const failure = await answer(next);
    if (failure === null) counts.complete += 1;
    else counts.failures.push(`${new Date().toISOString().slice(11, 19)} ${failure}`);
  }
}

const slots = Promise.all(Array.from({ length: streams }, (_, number) => slot(number)));
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'end') break;
  report();
}
process.stdin.destroy(); // would keep the process running
ending = true;
await slots;
client.close();
report();
