package dev.halcyon.conformance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The requirements of docs/spec, which are resources of this module: list items that begin with an
 * id in bold.
 */
public final class Specification {
  private static final Pattern ITEM =
      Pattern.compile(
          "^- \\*\\*([A-Z][A-Z0-9-]*)\\*\\* (.*?)(?=^- |^#|^\\s*$|\\z)",
          Pattern.MULTILINE | Pattern.DOTALL);

  private final Map<String, String> sentences;

  private Specification(Map<String, String> sentences) {
    this.sentences = Collections.unmodifiableMap(sentences);
  }

  /** Reads all pages. */
  public static Specification load() {
    URL folder = Specification.class.getResource("spec");
    if (folder == null) {
      throw new IllegalStateException("this build contains no docs/spec");
    }
    try {
      URI uri = folder.toURI();
      if (!uri.getScheme().equals("jar")) {
        return read(Path.of(uri));
      }
      try (FileSystem jar = FileSystems.newFileSystem(uri, Map.of())) {
        return read(jar.provider().getPath(uri));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Specification read(Path folder) throws IOException {
    Map<String, String> sentences = new TreeMap<>();
    try (Stream<Path> pages = Files.list(folder)) {
      for (Path page : pages.filter(p -> p.toString().endsWith(".md")).toList()) {
        Matcher item = ITEM.matcher(Files.readString(page));
        while (item.find()) {
          sentences.put(item.group(1), item.group(2).strip().replaceAll("\\s*\\R\\s*", " "));
        }
      }
    }
    return new Specification(sentences);
  }

  /** Every requirement by id, in alphabetical order. */
  public Map<String, String> requirements() {
    return sentences;
  }

  /** The text of a requirement. */
  public Optional<String> find(String id) {
    return Optional.ofNullable(sentences.get(id));
  }
}
