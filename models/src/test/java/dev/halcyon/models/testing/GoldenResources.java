package dev.halcyon.models.testing;

import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;
import java.util.List;

/** Where the golden vectors lie on the class path. */
public final class GoldenResources {
  /** Every variant with a float32 checkpoint. */
  public static final List<String> FLOAT_VARIANTS =
      List.of(
          "dsv2-tiny",
          "dsv2lite-tiny",
          "dsv3-tiny",
          "dsv3-tiny-long",
          "dsv3-negbias-tiny",
          "moonlight-tiny");

  /** Every variant. */
  public static final List<String> VARIANTS =
      List.of(
          "dsv2-tiny",
          "dsv2lite-tiny",
          "dsv3-tiny",
          "dsv3-tiny-long",
          "dsv3-negbias-tiny",
          "moonlight-tiny",
          "dsv3-fp8-tiny");

  private GoldenResources() {}

  /** The directory of a variant, for example {@code dsv3-tiny} or {@code dsv3-tiny/bf16}. */
  public static Path directory(String name) {
    URL url = GoldenResources.class.getResource("/golden/README.md");
    try {
      return Path.of(url.toURI()).resolveSibling(name);
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  /** The directory of a variant's checkpoint that {@code config.json} is read from. */
  public static Path anyCheckpoint(String variant) {
    return directory(variant).resolve(variant.contains("fp8") ? "fp8" : "bf16");
  }

  /** The {@code golden.json} of a variant. */
  public static Path golden(String variant) {
    return directory(variant).resolve("golden.json");
  }
}
