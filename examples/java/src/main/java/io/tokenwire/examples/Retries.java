package io.tokenwire.examples;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.QuotaFailure;
import com.google.rpc.RetryInfo;
import io.grpc.CallOptions;
import io.grpc.ClientStreamTracer;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import io.tokenwire.v1.Answer;
import io.tokenwire.v1.Message;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Streams one answer with the retry policy of a service config. It reports each attempt, and of a
 * failed call all details of its status.
 */
final class Retries {
  private static final String TIMEOUT = "--timeout=";
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private Retries() {}

  public static void main(String[] arguments) throws Exception {
    long timeoutSeconds = 60;
    if (arguments.length > 0 && arguments[0].startsWith(TIMEOUT)) {
      timeoutSeconds = Long.parseLong(arguments[0].substring(TIMEOUT.length()));
      arguments = Arrays.copyOfRange(arguments, 1, arguments.length);
    }
    if (arguments.length != 3 && arguments.length != 4) {
      System.err.println(
          "usage: Retries [--timeout=SECONDS] HOST:PORT SERVICE_CONFIG_FILE TEXT [KEY]");
      System.exit(2);
    }
    ManagedChannel channel =
        Grpc.newChannelBuilder("dns:///" + arguments[0], InsecureChannelCredentials.create())
            // Retries need nothing else. A config with an error throws one in build().
            .defaultServiceConfig(read(Path.of(arguments[1])))
            .build();
    Metadata headers = new Metadata();
    if (arguments.length == 4) {
      headers.put(AUTHORIZATION, "Bearer " + arguments[3]);
    }
    // The deadline is that of the call, with all of its attempts and waits.
    CallOptions options =
        CallOptions.DEFAULT
            .withDeadlineAfter(timeoutSeconds, TimeUnit.SECONDS)
            .withStreamTracerFactory(new Attempts());
    int code = 0;
    try {
      Iterator<Answer> answers =
          new Chatgpt(channel, options)
              .with(MetadataUtils.newAttachHeadersInterceptor(headers))
              .send(Message.newBuilder().setContent(arguments[2]).build());
      while (answers.hasNext()) {
        System.out.print(answers.next().getContent());
        System.out.flush();
      }
      System.out.println();
    } catch (StatusRuntimeException error) {
      explain(error);
      code = 1;
    } finally {
      channel.shutdownNow();
    }
    System.exit(code);
  }

  /** Reads a service config. gRPC takes it as maps, lists, texts and doubles, as Gson makes it. */
  private static Map<String, ?> read(Path file) throws Exception {
    try (Reader reader = Files.newBufferedReader(file)) {
      return new Gson().fromJson(reader, new TypeToken<Map<String, Object>>() {}.getType());
    }
  }

  /**
   * Prints what a failed call says about itself. Programs decide by the code and the reason, never
   * by the message.
   */
  private static void explain(StatusRuntimeException error) throws InvalidProtocolBufferException {
    System.err.printf(
        "%s: %s%n", error.getStatus().getCode(), error.getStatus().getDescription());
    for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        ErrorInfo info = detail.unpack(ErrorInfo.class);
        System.err.printf("reason: %s of %s%n", info.getReason(), info.getDomain());
      } else if (detail.is(RetryInfo.class)) {
        com.google.protobuf.Duration delay = detail.unpack(RetryInfo.class).getRetryDelay();
        System.err.printf(
            "retry after: %d ms%n",
            Duration.ofSeconds(delay.getSeconds(), delay.getNanos()).toMillis());
      } else if (detail.is(BadRequest.class)) {
        for (var violation : detail.unpack(BadRequest.class).getFieldViolationsList()) {
          System.err.printf("field: %s %s%n", violation.getField(), violation.getDescription());
        }
      } else if (detail.is(QuotaFailure.class)) {
        for (var violation : detail.unpack(QuotaFailure.class).getViolationsList()) {
          System.err.printf("limit: %s%n", violation.getDescription());
        }
      }
    }
  }

  /**
   * Prints when each attempt of a call begins. gRPC hides attempts from interceptors, and shows
   * them to tracers of streams.
   */
  private static final class Attempts extends ClientStreamTracer.Factory {
    private final long begun = System.nanoTime();

    @Override
    public ClientStreamTracer newClientStreamTracer(
        ClientStreamTracer.StreamInfo info, Metadata headers) {
      long passed = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begun);
      System.err.printf("attempt after %d ms%n", passed);
      return new ClientStreamTracer() {};
    }
  }
}
