// Streams answers from tokenwire through a proxy with gRPC-Web.
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';

import { ErrorInfoSchema, RetryInfoSchema } from './build/gen/google/rpc/error_details_pb.js';
import { Chatgpt } from './build/gen/tokenwire/v1/chatgpt_pb.js';

/**
 * Returns a client of the server behind the proxy at `baseUrl`, such as
 * `https://proxy.example.com`. Whoever opens the page can read `key`.
 */
export function connect(baseUrl, key) {
  const authorize = (next) => (request) => {
    request.header.set('authorization', `Bearer ${key}`);
    return next(request);
  };
  return createClient(
    Chatgpt,
    createGrpcWebTransport({ baseUrl, interceptors: key ? [authorize] : [] }),
  );
}

/**
 * Sends `text`, passes each piece of the answer to `show`, and returns how it
 * ended, as text. `signal` of an AbortController cancels the call.
 */
export async function chat(client, text, show, signal) {
  try {
    let last;
    for await (last of client.send({ content: text }, { signal })) show(last.content);
    return `${last.usage.outputTokens} tokens from ${last.model}`;
  } catch (error) {
    return explain(ConnectError.from(error));
  }
}

/** Puts a failed call in one line: code, the service's reason if any, message. */
export function explain(error) {
  const [info] = error.findDetails(ErrorInfoSchema);
  const [retry] = error.findDetails(RetryInfoSchema);
  const reason = info ? ` (${info.reason})` : '';
  const after = retry ? ` Try again in ${retry.retryDelay.seconds} s.` : '';
  return `${Code[error.code]}${reason}: ${error.rawMessage}${after}`;
}
