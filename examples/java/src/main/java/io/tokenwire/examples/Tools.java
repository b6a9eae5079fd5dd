package io.tokenwire.examples;

import com.google.gson.Gson;
import com.google.gson.JsonParseException;
import io.tokenwire.v1.Answer;
import io.tokenwire.v1.Message;
import io.tokenwire.v1.Role;
import io.tokenwire.v1.Tool;
import io.tokenwire.v1.ToolCall;
import io.tokenwire.v1.Turn;
import java.time.DateTimeException;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.temporal.ChronoUnit;

/** Answers a question with the help of a tool that the model may call. */
final class Tools {
  /** Bounds what a model that only calls tools costs. */
  private static final int MAX_ROUNDS = 5;

  private static final Tool GET_TIME =
      Tool.newBuilder()
          .setName("get_time")
          .setDescription("Returns the current time in a time zone.")
          .setParameters(
              """
              {
                "type": "object",
                "properties": {"zone": {"type": "string", "description": "Such as Europe/Oslo."}},
                "required": ["zone"],
                "additionalProperties": false
              }
              """)
          .setStrict(true)
          .build();

  private record Arguments(String zone) {}

  private Tools() {}

  public static void main(String[] arguments) throws Exception {
    Example.run("Tools HOST:PORT TEXT", arguments, Tools::answer);
  }

  /** Prints the answer to a text, and the calls that the model makes for it. */
  private static void answer(Chatgpt client, String[] arguments) throws Example.Failure {
    Message.Builder request = Message.newBuilder().setContent(arguments[0]).addTools(GET_TIME);
    for (int round = 0; round < MAX_ROUNDS; round++) {
      Answer answer = client.ask(request.build());
      if (answer.getToolCallsCount() == 0) {
        System.out.println(answer.getContent());
        return;
      }
      if (!request.getContent().isEmpty()) {
        request.addHistory(
            Turn.newBuilder().setRole(Role.ROLE_USER).setContent(request.getContent()));
      }
      // Some models refuse to continue without their reasoning and state.
      request.addHistory(
          Turn.newBuilder()
              .setRole(Role.ROLE_ASSISTANT)
              .setContent(answer.getContent())
              .addAllToolCalls(answer.getToolCallsList())
              .setReasoning(answer.getReasoning())
              .setState(answer.getState()));
      for (ToolCall call : answer.getToolCallsList()) {
        String result = runTool(call);
        System.out.printf("[%s(%s) returns %s]%n", call.getName(), call.getArguments(), result);
        request.addHistory(
            Turn.newBuilder()
                .setRole(Role.ROLE_TOOL)
                .setToolCallId(call.getId())
                .setContent(result));
      }
      // The results are the next message.
      request.clearContent();
    }
    throw new Example.Failure(
        "the model has called tools " + MAX_ROUNDS + " times without an answer");
  }

  /** Returns the result of a call. The model reads errors too, and may call again. */
  private static String runTool(ToolCall call) {
    if (!call.getName().equals(GET_TIME.getName())) {
      return "there is no tool \"" + call.getName() + "\"";
    }
    try {
      String zone = new Gson().fromJson(call.getArguments(), Arguments.class).zone();
      if (zone == null) {
        return "the argument zone is missing";
      }
      return OffsetDateTime.now(ZoneId.of(zone)).truncatedTo(ChronoUnit.MINUTES).toString();
    } catch (JsonParseException error) {
      return "the arguments do not fit the schema";
    } catch (DateTimeException error) {
      return "the time zone is invalid: " + error.getMessage();
    }
  }
}
