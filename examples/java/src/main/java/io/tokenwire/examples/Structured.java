package io.tokenwire.examples;

import com.google.gson.Gson;
import com.google.gson.JsonParseException;
import io.tokenwire.v1.Answer;
import io.tokenwire.v1.FinishReason;
import io.tokenwire.v1.Format;
import io.tokenwire.v1.JsonSchema;
import io.tokenwire.v1.Message;

/** Asks for an answer that fits a JSON Schema, and reads it into a record. */
final class Structured {
  private record City(String name, String country, long population) {}

  // In strict mode, OpenAI requires all properties and no others.
  private static final JsonSchema CITY =
      JsonSchema.newBuilder()
          .setName("city")
          .setSchema(
              """
              {
                "type": "object",
                "properties": {
                  "name": {"type": "string"},
                  "country": {"type": "string"},
                  "population": {"type": "integer"}
                },
                "required": ["name", "country", "population"],
                "additionalProperties": false
              }
              """)
          .setStrict(true)
          .build();

  private Structured() {}

  public static void main(String[] arguments) throws Exception {
    Example.run("Structured HOST:PORT TEXT", arguments, Structured::ask);
  }

  /** Prints the city that a text is about. */
  private static void ask(Chatgpt client, String[] arguments) throws Example.Failure {
    Answer answer =
        client.ask(
            Message.newBuilder()
                .setContent(arguments[0])
                .setFormat(Format.newBuilder().setJsonSchema(CITY))
                .build());
    // An answer that reaches the token limit ends within its JSON.
    if (answer.getFinishReason() != FinishReason.FINISH_REASON_STOP) {
      throw new Example.Failure("the answer is not complete: " + answer.getFinishReason());
    }
    City city = parse(answer.getContent());
    System.out.printf(
        "name: %s%ncountry: %s%npopulation: %d%n", city.name(), city.country(), city.population());
  }

  private static City parse(String json) throws Example.Failure {
    City city = null;
    try {
      city = new Gson().fromJson(json, City.class);
    } catch (JsonParseException error) {
      // Reported below, as an empty text is, of which Gson makes null.
    }
    if (city == null) {
      throw new Example.Failure("the answer does not fit the schema: " + json);
    }
    return city;
  }
}
