// Streams one answer with the retry policy of a service config. It reports of a
// failed call all details of its status.
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

import grpc from '@grpc/grpc-js';

import { detailsOf } from './error-info.js';
import { Chatgpt } from './example.js';

/** Prints the answer to a text. */
async function chat(seconds, target, file, text, key) {
  const client = new Chatgpt(`dns:///${target}`, grpc.credentials.createInsecure(), {
    // Retries need nothing else. A config with an error throws one here.
    'grpc.service_config': await readFile(file, 'utf-8'),
  });
  const metadata = new grpc.Metadata();
  if (key) metadata.set('authorization', `Bearer ${key}`);
  try {
    // The deadline is that of the call, with all of its attempts and waits.
    const options = { deadline: Date.now() + seconds * 1000 };
    for await (const answer of client.Send({ content: text }, metadata, options)) {
      process.stdout.write(answer.content);
    }
    console.log();
  } finally {
    client.close();
  }
}

/**
 * Prints what a failed call says about itself. Programs decide by the code and
 * the reason, never by the message.
 */
function explain(error) {
  if (!(error.code in grpc.status)) throw error; // a bug, not a failed call
  console.error(`${grpc.status[error.code]}: ${error.details}`);
  const { errorInfo, retryInfo, badRequest, quotaFailure } = detailsOf(error);
  if (errorInfo) console.error(`reason: ${errorInfo.reason} of ${errorInfo.domain}`);
  if (retryInfo) {
    const { seconds, nanos } = retryInfo.retryDelay;
    console.error(`retry after: ${Number(seconds) * 1000 + nanos / 1e6} ms`);
  }
  for (const { field, description } of badRequest?.fieldViolations ?? []) {
    console.error(`field: ${field} ${description}`);
  }
  for (const { description } of quotaFailure?.violations ?? []) {
    console.error(`limit: ${description}`);
  }
}

const { values, positionals } = parseArgs({
  options: { timeout: { type: 'string', default: '60' } },
  allowPositionals: true,
});
if (positionals.length === 3 || positionals.length === 4) {
  try {
    await chat(Number(values.timeout), ...positionals);
  } catch (error) {
    explain(error);
    process.exitCode = 1;
  }
} else {
  console.error(
    'usage: node retries.js [--timeout SECONDS] HOST:PORT SERVICE_CONFIG_FILE TEXT [KEY]',
  );
  process.exitCode = 2;
}
