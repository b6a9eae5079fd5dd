// Answers a question with the help of a tool that the model may call.
import { ExampleError, ask, run } from './example.js';

const MAX_ROUNDS = 5; // bounds what a model that only calls tools costs

const GET_TIME = {
  name: 'get_time',
  description: 'Returns the current time in a time zone.',
  parameters: JSON.stringify({
    type: 'object',
    properties: { zone: { type: 'string', description: 'Such as Europe/Oslo.' } },
    required: ['zone'],
    additionalProperties: false,
  }),
  strict: true,
};

/** Prints the answer to a text, and the calls that the model makes for it. */
async function answerWithTools(client, options, text) {
  const history = [];
  let content = text;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const answer = await ask(client, { content, history, tools: [GET_TIME] }, options);
    if (answer.tool_calls.length === 0) {
      console.log(answer.content);
      return;
    }
    if (content) history.push({ role: 'ROLE_USER', content });
    // Some models refuse to continue without their reasoning and state.
    const { tool_calls, reasoning, state } = answer;
    history.push({ role: 'ROLE_ASSISTANT', content: answer.content, tool_calls, reasoning, state });
    for (const call of tool_calls) {
      const result = runTool(call);
      console.log(`[${call.name}(${call.arguments}) returns ${result}]`);
      history.push({ role: 'ROLE_TOOL', tool_call_id: call.id, content: result });
    }
    content = ''; // the results are the next message
  }
  throw new ExampleError(`the model has called tools ${MAX_ROUNDS} times without an answer`);
}

/** The result of a call. The model reads errors too, and may call again. */
function runTool(call) {
  if (call.name !== GET_TIME.name) return `there is no tool "${call.name}"`;
  try {
    const { zone } = JSON.parse(call.arguments);
    // String: without a zone, the function would take that of this machine.
    return new Date().toLocaleString('en', { timeZone: String(zone), timeZoneName: 'short' });
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return error.message;
    throw error;
  }
}

await run('tools.js HOST:PORT TEXT', answerWithTools);
