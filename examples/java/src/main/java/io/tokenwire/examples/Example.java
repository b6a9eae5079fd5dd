package io.tokenwire.examples;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.CallOptions;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/** What the examples share: the command line, the connection, and the text of a failed call. */
final class Example {
  private static final long TIMEOUT_SECONDS = 60;

  /** The part of an example that differs: it has the arguments after HOST:PORT. */
  interface Main {
    void run(Chatgpt client, String[] arguments) throws Exception;
  }

  /** Ends an example with one line; other exceptions show their stack. */
  static final class Failure extends Exception {
    Failure(String message) {
      super(message);
    }
  }

  private Example() {}

  /**
   * Runs an example. The words of usage name its arguments. The exit code is 1 if it fails, and 2
   * if an argument is missing.
   */
  static void run(String usage, String[] arguments, Main main) throws Exception {
    if (arguments.length != usage.split(" ").length - 1) {
      System.err.println("usage: " + usage);
      System.exit(2);
    }
    // A channel is meant to live as long as the program and to be shared by all of its calls.
    // Inside a mesh or a cluster TLS often ends before the server; where it does not:
    // TlsChannelCredentials.create().
    ManagedChannel channel =
        Grpc.newChannelBuilder("dns:///" + arguments[0], InsecureChannelCredentials.create())
            // Every pod behind the name gets its share of the calls. gRPC's default, pick_first,
            // would send them all to one.
            .defaultLoadBalancingPolicy("round_robin")
            .build();
    int code = 0;
    try {
      // The deadline travels with the call: the server knows when to give up.
      CallOptions options =
          CallOptions.DEFAULT.withDeadlineAfter(TIMEOUT_SECONDS, TimeUnit.SECONDS);
      main.run(new Chatgpt(channel, options), Arrays.copyOfRange(arguments, 1, arguments.length));
    } catch (StatusRuntimeException error) {
      System.err.println(explain(error));
      code = 1;
    } catch (Failure error) {
      System.err.println(error.getMessage());
      code = 1;
    } finally {
      channel.shutdownNow();
    }
    System.exit(code);
  }

  /** Puts a failed call in one line: code, the service's reason if any, message. */
  static String explain(StatusRuntimeException error) throws InvalidProtocolBufferException {
    String reason = "";
    com.google.rpc.Status details = StatusProto.fromThrowable(error);
    for (Any detail : details.getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        reason = " (" + detail.unpack(ErrorInfo.class).getReason() + ")";
      }
    }
    return error.getStatus().getCode() + reason + ": " + error.getStatus().getDescription();
  }
}
