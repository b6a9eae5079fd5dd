// What the examples share: the contract, the command line, the connection, and
// the text of a failed call.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

import { reasonOf } from './error-info.js';

// The contract is read at run time; nothing is generated.
const definition = protoLoader.loadSync('tokenwire/v1/chatgpt.proto', {
  includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
  keepCase: true, // field names as the contract writes them
  enums: String,
  longs: Number,
  defaults: true, // an unset string is '', an unset message null
});
export const { Chatgpt } = grpc.loadPackageDefinition(definition).openai;

/**
 * Runs an example: `main(client, options, ...arguments)` with a client of the
 * server HOST:PORT, the options of a call, and the other arguments, which the
 * words of `usage` name. The exit code is 1 if it fails, 2 if an argument is
 * missing.
 */
export async function run(usage, main) {
  const parsed = parse(process.argv.slice(2), usage.split(' ').length - 1);
  if (!parsed) {
    console.error(`usage: node ${usage.replace(' ', ' [--timeout SECONDS] ')}`);
    process.exitCode = 2;
    return;
  }
  const { target, rest, seconds } = parsed;
  // A client is meant to live as long as the program and to be shared by all
  // of its calls. Inside a mesh or a cluster TLS often ends before the server;
  // where it does not: createSsl().
  const client = new Chatgpt(`dns:///${target}`, grpc.credentials.createInsecure(), {
    // Every pod behind the name gets its share of the calls. gRPC's default,
    // pick_first, would send them all to one.
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  });
  try {
    // The deadline travels with the call: the server knows when to give up.
    await main(client, { deadline: Date.now() + seconds * 1000 }, ...rest);
  } catch (error) {
    console.error(explain(error));
    process.exitCode = 1;
  } finally {
    client.close();
  }
}

/** Ends an example with one line and exit code 1; other errors show their stack. */
export class ExampleError extends Error {}

/** Calls `Ask` and resolves to the whole answer. */
export function ask(client, request, options) {
  return new Promise((resolve, reject) => {
    client.Ask(request, options, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

/** Puts a failed call in one line: code, the service's reason if any, message. */
export function explain(error) {
  if (error instanceof ExampleError) return error.message;
  if (!(error.code in grpc.status)) throw error; // a bug, not a failed call
  const reason = reasonOf(error);
  return `${grpc.status[error.code]}${reason ? ` (${reason})` : ''}: ${error.details}`;
}

/** Reads the command line; null if it has not as many arguments as `count`. */
function parse(args, count) {
  try {
    const options = { timeout: { type: 'string', default: '60' } };
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    const seconds = Number(values.timeout);
    const [target, ...rest] = positionals;
    return positionals.length === count && seconds > 0 ? { target, rest, seconds } : null;
  } catch {
    return null;
  }
}
