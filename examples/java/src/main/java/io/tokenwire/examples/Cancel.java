package io.tokenwire.examples;

import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.tokenwire.v1.Answer;
import io.tokenwire.v1.Message;
import java.util.Iterator;

/** Reads the beginning of an answer and cancels the call, as a program does whose user has left. */
final class Cancel {
  /** The number of characters after which the call is cancelled. */
  private static final int ENOUGH = 10;

  private Cancel() {}

  public static void main(String[] arguments) throws Exception {
    Example.run("Cancel HOST:PORT TEXT", arguments, Cancel::readBeginning);
  }

  /** Prints the beginning of an answer and the status of its call. */
  private static void readBeginning(Chatgpt client, String[] arguments) throws Exception {
    // Calls that begin within a context end with it. Without the end, a stream that nobody reads
    // stays open until its deadline, and the model goes on writing.
    Context.CancellableContext context = Context.current().withCancellation();
    int characters = 0;
    try {
      Iterator<Answer> answers =
          context.call(
              () -> client.send(Message.newBuilder().setContent(arguments[0]).build()));
      while (answers.hasNext()) {
        String content = answers.next().getContent();
        System.out.print(content);
        characters += content.length();
        if (characters >= ENOUGH) {
          context.cancel(null);
        }
      }
      System.out.println("\nthe answer was complete before the call was cancelled");
    } catch (StatusRuntimeException error) {
      if (error.getStatus().getCode() != Status.Code.CANCELLED || characters < ENOUGH) {
        throw error;
      }
      System.out.println("\ncancelled: " + Example.explain(error));
    } finally {
      context.cancel(null);
    }
  }
}
