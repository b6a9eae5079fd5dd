package io.tokenwire.examples;

import com.google.protobuf.ByteString;
import io.tokenwire.v1.Message;
import io.tokenwire.v1.Part;
import java.io.IOException;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;

/** Asks a question about an image in a file. */
final class Image {
  private Image() {}

  public static void main(String[] arguments) throws Exception {
    Example.run("Image HOST:PORT FILE TEXT", arguments, Image::describe);
  }

  /** Sends an image with a text and prints the answer. */
  private static void describe(Chatgpt client, String[] arguments) throws Example.Failure {
    String file = arguments[0];
    String mediaType = URLConnection.guessContentTypeFromName(file);
    if (mediaType == null) {
      throw new Example.Failure(file + ": its name must end as that of an image, such as .png");
    }
    Part image =
        // An image on the web needs no download here: setUrl("https://...").
        Part.newBuilder().setInline(read(file)).setMediaType(mediaType).build();
    Message message = Message.newBuilder().setContent(arguments[1]).addParts(image).build();
    System.out.println(client.ask(message).getContent());
  }

  private static ByteString read(String file) throws Example.Failure {
    try {
      return ByteString.copyFrom(Files.readAllBytes(Path.of(file)));
    } catch (IOException error) {
      throw new Example.Failure("cannot read the file: " + error.getMessage());
    }
  }
}
