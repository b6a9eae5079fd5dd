package io.tokenwire.examples;

import io.tokenwire.v1.Answer;
import io.tokenwire.v1.Message;
import java.util.Iterator;

/** Streams one answer: the answer to stdout as its tokens arrive, how it ended to stderr. */
final class Chat {
  private Chat() {}

  public static void main(String[] arguments) throws Exception {
    Example.run("Chat HOST:PORT TEXT", arguments, Chat::chat);
  }

  /** Sends a text and prints the answer while it is written. */
  private static void chat(Chatgpt client, String[] arguments) {
    Iterator<Answer> answers =
        client.send(Message.newBuilder().setContent(arguments[0]).build());
    Answer last = Answer.getDefaultInstance();
    while (answers.hasNext()) {
      last = answers.next();
      System.out.print(last.getContent());
      System.out.flush();
    }
    System.out.println();
    System.err.println("model: " + last.getModel());
    System.err.println("finish reason: " + last.getFinishReason());
    System.err.println(
        last.hasUsage()
            ? "usage: %d input tokens, %d output tokens"
                .formatted(last.getUsage().getInputTokens(), last.getUsage().getOutputTokens())
            : "usage: not reported by the upstream");
  }
}
