package dev.halcyon.cli;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.models.config.ConfigReader;
import dev.halcyon.models.config.DeepSeekConfig;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** A {@code config.json} without a model beside it. */
final class ConfigFile {
  private ConfigFile() {}

  /**
   * @throws HalException {@code MODEL_NOT_FOUND}, {@code CONFIG_INVALID}, {@code
   *     UNSUPPORTED_ARCHITECTURE}
   */
  static DeepSeekConfig read(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      return ConfigReader.parse(in, file.toString());
    } catch (IOException e) {
      throw HalException.of(
              HalErrorCode.MODEL_NOT_FOUND,
              (Files.exists(file) ? "cannot read " : "no such file: ") + file)
          .on("--config")
          .remedy("name a config.json in Hugging Face layout")
          .cause(e)
          .build();
    }
  }
}
