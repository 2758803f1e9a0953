package dev.halcyon.models.checkpoint;

import static dev.halcyon.models.testing.HalAssertions.assertFails;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsHeaderTest {
  @TempDir Path temp;

  private Path file(long declared, String header, int dataBytes) throws IOException {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer b = ByteBuffer.allocate(8 + json.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
    Path f = temp.resolve("t.safetensors");
    Files.write(f, b.putLong(declared < 0 ? json.length : declared).put(json).array());
    return f;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,4]}} ~ 4 ~ needs 8 bytes",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}} ~ 3 ~ truncated",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}} ~ 9 ~ belong to none",
        "{'a':{'dtype':'U8','shape':[1],'data_offsets':[1,2]}} ~ 2 ~ gap or overlap",
        "{'a':{'dtype':'U8','shape':[2],'data_offsets':[0,2]},'b':{'dtype':'U8','shape':[2],'data_offsets':[1,3]}}"
            + " ~ 3 ~ gap or overlap",
        "{'a':{'dtype':'U8','shape':[2],'data_offsets':[2,0]}} ~ 2 ~ ascending",
        "{'a':{'dtype':'U8','shape':[2],'data_offsets':[0]}} ~ 2 ~ two ascending",
        "{'a':{'dtype':'U8','shape':[-1],'data_offsets':[0,1]}} ~ 1 ~ non-negative",
        "{'a':{'dtype':'U8','shape':[1.5],'data_offsets':[0,1]}} ~ 1 ~ non-negative",
        "{'a':{'dtype':'U8','shape':'1','data_offsets':[0,1]}} ~ 1 ~ array",
        "{'a':{'dtype':'F32','shape':[4611686018427387904,4],'data_offsets':[0,0]}} ~ 0 ~"
            + " overflows",
        "{'a':{'dtype':'F32','shape':[2305843009213693952,2],'data_offsets':[0,0]}} ~ 0 ~"
            + " overflows",
        "{'a':{'dtype':'F32','shape':[99999999999999999999],'data_offsets':[0,0]}} ~ 0 ~ invalid"
            + " header",
        "{'a':{'dtype':'U8','shape':[1],'data_offsets':[0,1]},'a':{'dtype':'U8','shape':[1],'data_offsets':[0,1]}}"
            + " ~ 1 ~ Duplicate",
        "{'a':{'dtype':'U8','shape':[1]}} ~ 1 ~ needs dtype",
        "{'a':{'dtype':'U8','shape':[1],'data_offsets':[0,1],'x':1}} ~ 1 ~ unknown key",
        "{'a':3} ~ 0 ~ described by an object",
        "{'__metadata__':{'k':3}} ~ 0 ~ object of strings",
        "{'__metadata__':3} ~ 0 ~ object of strings",
        "{} x ~ 0 ~ invalid header",
        "{}{} ~ 0 ~ text follows",
        "[] ~ 0 ~ start with",
        "{'a' ~ 0 ~ invalid header"
      })
  void brokenHeaders(String header, int dataBytes, String expected) throws IOException {
    Path f = file(-1, header.replace('\'', '"'), dataBytes);
    assertFails(
        HalErrorCode.CHECKPOINT_CORRUPT,
        () -> SafetensorsFile.open(f),
        expected,
        "t.safetensors",
        "remedy");
  }

  @Test
  void brokenLengths() throws IOException {
    assertFails(
        HalErrorCode.CHECKPOINT_CORRUPT,
        () -> SafetensorsFile.open(file(1000, "{}", 0)),
        "1000",
        "truncated");
    assertFails(
        HalErrorCode.CHECKPOINT_CORRUPT,
        () -> SafetensorsFile.open(file(1L << 40, "{}", 0)),
        "exceeds the limit");
    assertFails(
        HalErrorCode.CHECKPOINT_CORRUPT,
        () -> SafetensorsFile.open(file(Long.MAX_VALUE, "{}", 0)),
        "exceeds the limit");
    assertFails(
        HalErrorCode.CHECKPOINT_CORRUPT,
        () -> SafetensorsFile.open(file(0, "{}", 0)),
        "start with");
    Path tiny = Files.write(temp.resolve("tiny.safetensors"), new byte[5]);
    assertFails(HalErrorCode.CHECKPOINT_CORRUPT, () -> SafetensorsFile.open(tiny), "5 bytes");
    assertFails(
        HalErrorCode.CHECKPOINT_CORRUPT,
        () -> SafetensorsFile.open(temp.resolve("none")),
        "not found");
    assertFails(HalErrorCode.CHECKPOINT_CORRUPT, () -> SafetensorsFile.open(temp), "directory");
  }

  @Test
  void unsupportedDtypesOnlyMatterWhenAskedFor() throws IOException {
    String header =
        "{'a':{'dtype':'F64','shape':[1],'data_offsets':[0,8]},'b':{'dtype':'NEW','shape':[5],'data_offsets':[8,11]},'s':{'dtype':'F8_E8M0','shape':[2],'data_offsets':[11,13]}}"
            + "   ";
    try (SafetensorsFile f = SafetensorsFile.open(file(-1, header.replace('\'', '"'), 13))) {
      assertEquals(DType.U8, f.get("s").dtype());
      assertFails(HalErrorCode.DTYPE_MISMATCH, () -> f.get("a"), "F64", "'a'");
      assertFails(HalErrorCode.DTYPE_MISMATCH, () -> f.get("b"), "NEW");
      assertFails(HalErrorCode.TENSOR_MISSING, () -> f.get("c"), "'c'", "t.safetensors");
    }
  }
}
