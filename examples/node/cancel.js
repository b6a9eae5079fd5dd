// Reads the beginning of an answer and cancels the call, as a program does
// whose user has left.
import grpc from '@grpc/grpc-js';

import { explain, run } from './example.js';

const ENOUGH = 10; // characters

/** Prints the beginning of an answer and the status of its call. */
async function readBeginning(client, options, text) {
  const call = client.Send({ content: text }, options);
  let characters = 0;
  try {
    for await (const answer of call) {
      process.stdout.write(answer.content);
      characters += answer.content.length;
      // The server stops the model. Leaving the loop would end the call too,
      // but without its status.
      if (characters >= ENOUGH) call.cancel();
    }
    console.log('\nthe answer was complete before the call was cancelled');
  } catch (error) {
    if (error.code !== grpc.status.CANCELLED || characters < ENOUGH) throw error;
    console.log(`\ncancelled: ${explain(error)}`);
  }
}

await run('cancel.js HOST:PORT TEXT', readBeginning);
