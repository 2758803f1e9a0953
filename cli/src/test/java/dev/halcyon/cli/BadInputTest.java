package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Models, files and devices that cannot be used: each names what is wrong and what to do, in one
 * line.
 */
class BadInputTest {
  private static final String WEIGHTS = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";

  @TempDir Path temp;
  private Path model;

  @BeforeEach
  void copyModel() throws IOException {
    model = copy("dsv2lite-tiny/bf16");
  }

  private Path copy(String name) throws IOException {
    Path target = temp.resolve(name.replace('/', '-'));
    Files.createDirectory(target);
    try (Stream<Path> files = Files.list(Command.GOLDEN.resolve(name))) {
      for (Path f : files.toList()) {
        Files.copy(f, target.resolve(f.getFileName()));
      }
    }
    return target;
  }

  private Command.Result run(Path folder, String... more) {
    String[] args = {"run", "--model", folder.toString(), "--prompt", "Hello", "--max-tokens", "2"};
    return Command.PLAIN.run(
        Stream.concat(Stream.of(args), Stream.of(more)).toArray(String[]::new));
  }

  @Test
  void theCopyItselfWorks() {
    run(model).assertOk();
  }

  @Test
  void unknownModel() {
    run(temp.resolve("nowhere"))
        .assertBadInput(HalErrorCode.MODEL_NOT_FOUND, "nowhere", "config.json");
    Command.PLAIN
        .run("run", "--model", "no-such/model", "--prompt", "x")
        .assertBadInput(HalErrorCode.MODEL_NOT_FOUND, "no-such/model", "nothing is downloaded");
  }

  @Test
  void missingWeights() throws IOException {
    Files.delete(model.resolve(WEIGHTS));
    run(model).assertBadInput(HalErrorCode.CHECKPOINT_CORRUPT, WEIGHTS, model.toString());
  }

  @Test
  void truncatedWeights() throws IOException {
    try (RandomAccessFile f = new RandomAccessFile(model.resolve(WEIGHTS).toFile(), "rw")) {
      f.setLength(f.length() - 100);
    }
    run(model).assertBadInput(HalErrorCode.CHECKPOINT_CORRUPT, WEIGHTS);
    try (RandomAccessFile f = new RandomAccessFile(model.resolve(WEIGHTS).toFile(), "rw")) {
      f.setLength(5);
    }
    run(model).assertBadInput(HalErrorCode.CHECKPOINT_CORRUPT, WEIGHTS);
  }

  @Test
  void oversizedHeader() throws IOException {
    for (long size : new long[] {Long.MAX_VALUE, -1, 1L << 40, 200_000_000}) {
      try (RandomAccessFile f = new RandomAccessFile(model.resolve(WEIGHTS).toFile(), "rw")) {
        f.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(size).array());
      }
      run(model).assertBadInput(HalErrorCode.CHECKPOINT_CORRUPT, WEIGHTS);
    }
  }

  @Test
  void indexNamesAShardThatIsMissing() throws IOException {
    Path sharded = copy("dsv3-tiny/bf16");
    Path shard;
    try (Stream<Path> files = Files.list(sharded)) {
      shard =
          files
              .filter(f -> f.toString().endsWith(".safetensors"))
              .sorted()
              .findFirst()
              .orElseThrow();
    }
    Files.delete(shard);
    run(sharded).assertBadInput(HalErrorCode.CHECKPOINT_CORRUPT, shard.getFileName().toString());
    Files.writeString(sharded.resolve(INDEX), "{\"weight_map\": {\"a\": \"../../etc/passwd\"}}");
    run(sharded).assertBadInput(HalErrorCode.CHECKPOINT_CORRUPT, INDEX);
  }

  @Test
  void tensorOfWrongShape() throws IOException {
    replaceInHeader("\"model.norm.weight\":{", "\"shape\":[", "\"shape\":[1,", "]", "]");
    run(model).assertBadInput(HalErrorCode.SHAPE_MISMATCH, "model.norm.weight");
  }

  @Test
  void tensorOfWrongDtype() throws IOException {
    replaceInHeader("\"model.norm.weight\":{", "\"BF16\"", "\"I16\" ", "", "");
    run(model).assertBadInput(HalErrorCode.DTYPE_MISMATCH, "model.norm.weight");
  }

  @Test
  void tensorThatIsMissing() throws IOException {
    replaceInHeader("", "model.norm.weight", "model.gone.weight", "", "");
    run(model).assertBadInput(HalErrorCode.TENSOR_MISSING, "model.norm.weight");
  }

  /**
   * Edits the JSON header after {@code anchor} and writes it back, padded with spaces to the old
   * length or longer.
   */
  private void replaceInHeader(String anchor, String from, String to, String then, String by)
      throws IOException {
    Path file = model.resolve(WEIGHTS);
    ByteBuffer all = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    int length = Math.toIntExact(all.getLong(0));
    String header =
        new String(all.array(), 8, length, StandardCharsets.UTF_8)
            .replace("\": ", "\":")
            .replace(", ", ",");
    int at = header.indexOf(from, header.indexOf(anchor));
    assertTrue(at > 0, header);
    String rest = header.substring(at + from.length());
    if (!then.isEmpty()) {
      rest =
          rest.substring(0, rest.indexOf(then))
              + by
              + rest.substring(rest.indexOf(then) + then.length());
    }
    byte[] edited = (header.substring(0, at) + to + rest).getBytes(StandardCharsets.UTF_8);
    int padded = Math.max(length, (edited.length + 7) / 8 * 8);
    ByteBuffer out =
        ByteBuffer.allocate(8 + padded + all.capacity() - 8 - length)
            .order(ByteOrder.LITTLE_ENDIAN);
    out.putLong(padded).put(edited);
    while (out.position() < 8 + padded) {
      out.put((byte) ' ');
    }
    out.put(all.array(), 8 + length, all.capacity() - 8 - length);
    Files.write(file, out.array());
  }

  @Test
  void unknownArchitecture() throws IOException {
    Path config = model.resolve("config.json");
    Files.writeString(
        config,
        Files.readString(config)
            .replaceAll("\"model_type\": *\"[^\"]*\"", "\"model_type\": \"llama\"")
            .replaceAll("DeepseekV2ForCausalLM|DeepseekV3ForCausalLM", "LlamaForCausalLM"));
    run(model).assertBadInput(HalErrorCode.UNSUPPORTED_ARCHITECTURE, "llama", "config.json");
  }

  @Test
  void brokenConfig() throws IOException {
    Files.writeString(model.resolve("config.json"), "{");
    run(model).assertBadInput(HalErrorCode.CONFIG_INVALID, "config.json");
  }

  @Test
  void missingTokenizer() throws IOException {
    Files.delete(model.resolve("tokenizer.json"));
    run(model).assertBadInput(HalErrorCode.TOKENIZER_MISSING, "tokenizer.json", model.toString());
  }

  @Test
  void missingChatTemplate() throws IOException {
    Files.writeString(model.resolve("tokenizer_config.json"), "{}");
    run(model, "--chat").assertBadInput(HalErrorCode.CHAT_TEMPLATE_INVALID, model.toString());
    Command.PLAIN
        .run("chat", "--model", model.toString())
        .assertBadInput(HalErrorCode.CHAT_TEMPLATE_INVALID, model.toString());
  }

  @Test
  void promptLongerThanTheContext() {
    Command.Result r = run(model, "--context", "2");
    r.assertBadInput(HalErrorCode.CONTEXT_OVERFLOW, "context of 2 tokens", "--context");
    String longText = "word ".repeat(20_000);
    Command.PLAIN
        .run("run", "--model", model.toString(), "--prompt", longText)
        .assertBadInput(HalErrorCode.CONTEXT_OVERFLOW, "shorten the prompt");
    run(model, "--context", "100000000").assertBadInput(HalErrorCode.CONTEXT_OVERFLOW, "100000000");
  }

  @Test
  void emptyPromptOfAModelWithoutBeginOfText() throws IOException {
    Files.writeString(model.resolve("tokenizer_config.json"), "{}");
    Command.PLAIN
        .run("run", "--model", model.toString(), "--prompt", "")
        .assertBadInput(HalErrorCode.INVALID_ARGUMENT, "prompt is empty");
  }

  @Test
  void goldenFileOfAnotherModel() {
    Command.PLAIN
        .run(
            "parity", "--model", model.toString(), "--golden", temp.resolve("gone.json").toString())
        .assertBadInput(HalErrorCode.GOLDEN_INVALID, "gone.json");
    Command.PLAIN
        .run(
            "parity",
            "--model",
            model.toString(),
            "--golden",
            model.resolve("config.json").toString())
        .assertBadInput(HalErrorCode.GOLDEN_INVALID, "config");
  }

  @Test
  void benchWithoutAClearModel() {
    Command.PLAIN.run("bench").assertBadInput(HalErrorCode.INVALID_OPTION, "--model", "--config");
    Command.PLAIN
        .run("bench", "--config", model.resolve("config.json").toString())
        .assertBadInput(HalErrorCode.INVALID_OPTION, "--random-weights");
    Command.PLAIN
        .run("bench", "--config", temp.resolve("gone.json").toString(), "--random-weights")
        .assertBadInput(HalErrorCode.MODEL_NOT_FOUND, "gone.json");
  }

  @Test
  void devicesThatDoNotExist() {
    run(model, "--device", "nonsense://0")
        .assertBadInput(HalErrorCode.UNKNOWN_BACKEND, "nonsense://0", "cpu");
    run(model, "--device", "cpu://7").assertBadInput(HalErrorCode.DEVICE_UNAVAILABLE, "cpu://7");
    run(model, "--device", "::").assertBadInput(HalErrorCode.INVALID_URI, "::");
  }

  @Test
  void stackTraceOnRequest() {
    Command.Result r = run(temp.resolve("nowhere"), "--verbose");
    assertEquals(ExitCode.BAD_INPUT, r.code());
    assertTrue(r.err().contains("\tat "), r.err());
  }

  @Test
  void weightsAreNotReadWhenTheDeviceIsUnknown() {
    Command.Result r = run(temp.resolve("nowhere"), "--device", "nonsense://0");
    r.assertBadInput(HalErrorCode.UNKNOWN_BACKEND);
    assertFalse(r.err().contains("nowhere"), r.err());
  }
}
