package io.tokenwire.examples;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ClientCalls;
import io.tokenwire.v1.Answer;
import io.tokenwire.v1.Message;
import java.util.Iterator;

/**
 * A client of the service openai.Chatgpt. It is what protoc-gen-grpc-java would generate for
 * these two methods, written by hand, so that the build needs no plugin of protoc.
 */
final class Chatgpt {
  private static final MethodDescriptor<Message, Answer> SEND =
      method(MethodType.SERVER_STREAMING, "Send");
  private static final MethodDescriptor<Message, Answer> ASK =
      method(MethodType.UNARY, "Ask");

  private final Channel channel;
  private final CallOptions options;

  Chatgpt(Channel channel, CallOptions options) {
    this.channel = channel;
    this.options = options;
  }

  /** Returns a client whose calls pass through an interceptor. */
  Chatgpt with(ClientInterceptor interceptor) {
    return new Chatgpt(ClientInterceptors.intercept(channel, interceptor), options);
  }

  /** Streams the answer to a message. The iterator blocks until the next piece arrives. */
  Iterator<Answer> send(Message message) {
    return ClientCalls.blockingServerStreamingCall(channel, SEND, options, message);
  }

  /** Returns the whole answer to a message. */
  Answer ask(Message message) {
    return ClientCalls.blockingUnaryCall(channel, ASK, options, message);
  }

  private static MethodDescriptor<Message, Answer> method(
      MethodType type, String name) {
    return MethodDescriptor.<Message, Answer>newBuilder()
        .setType(type)
        .setFullMethodName(MethodDescriptor.generateFullMethodName("openai.Chatgpt", name))
        .setRequestMarshaller(ProtoUtils.marshaller(Message.getDefaultInstance()))
        .setResponseMarshaller(ProtoUtils.marshaller(Answer.getDefaultInstance()))
        .build();
  }
}
