// Streams one answer from tokenwire to the terminal: the answer to stdout as
// its tokens arrive, how it ended to stderr.
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

import { reasonOf } from './error-info.js';

const USAGE = 'usage: node main.js [--timeout SECONDS] HOST:PORT TEXT';

// The contract is read at run time; nothing is generated.
const definition = protoLoader.loadSync('tokenwire/v1/chatgpt.proto', {
  includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
  keepCase: true, // field names as the contract writes them
  enums: String,
  longs: Number,
  defaults: true, // an unset string is '', an unset message null
});
const { Chatgpt } = grpc.loadPackageDefinition(definition).openai;

/** Sends text to target and prints the answer while it is written. */
async function chat(target, text, seconds) {
  // A client is meant to live as long as the program and to be shared by all
  // of its calls; this program makes only one. Inside a mesh or a cluster TLS
  // often ends before the server; where it does not: createSsl().
  const client = new Chatgpt(`dns:///${target}`, grpc.credentials.createInsecure(), {
    // Every pod behind the name gets its share of the calls. gRPC's default,
    // pick_first, would send them all to one.
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  });
  // The deadline travels with the call: the server knows when to give up.
  const call = client.Send({ content: text }, { deadline: Date.now() + seconds * 1000 });
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
    client.close();
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

/** Puts a failed call in one line: code, the service's reason if any, message. */
function explain(error) {
  const reason = reasonOf(error);
  return `${grpc.status[error.code]}${reason ? ` (${reason})` : ''}: ${error.details}`;
}

/** Reads the command line; null if it is not as USAGE says. */
function parse(args) {
  try {
    const options = { timeout: { type: 'string', default: '60' } };
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    const seconds = Number(values.timeout);
    return positionals.length === 2 && seconds > 0 ? [...positionals, seconds] : null;
  } catch {
    return null;
  }
}

const parsed = parse(process.argv.slice(2));
if (parsed) {
  try {
    await chat(...parsed);
  } catch (error) {
    if (!(error.code in grpc.status)) throw error; // a bug, not a failed call
    console.error(explain(error));
    process.exitCode = 1;
  }
} else {
  console.error(USAGE);
  process.exitCode = 2;
}
