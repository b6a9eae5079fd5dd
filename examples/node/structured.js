// Asks for an answer that fits a JSON Schema, and parses it.
import { ExampleError, ask, run } from './example.js';

// In strict mode, OpenAI requires all properties and no others.
const CITY = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    country: { type: 'string' },
    population: { type: 'integer' },
  },
  required: ['name', 'country', 'population'],
  additionalProperties: false,
};
const FORMAT = { json_schema: { name: 'city', schema: JSON.stringify(CITY), strict: true } };

/** Prints the city that a text is about. */
async function askForCity(client, options, text) {
  const answer = await ask(client, { content: text, format: FORMAT }, options);
  // An answer that reaches the token limit ends within its JSON.
  if (answer.finish_reason !== 'FINISH_REASON_STOP') {
    throw new ExampleError(`the answer is not complete: ${answer.finish_reason}`);
  }
  const { name, country, population } = parse(answer.content);
  console.log(`name: ${name}\ncountry: ${country}\npopulation: ${population}`);
}

function parse(json) {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new ExampleError(`the answer is not JSON: ${error.message}`);
  }
}

await run('structured.js HOST:PORT TEXT', askForCity);
