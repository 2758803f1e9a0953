package dev.halcyon.conformance.onnx;

import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * The node tests of ONNX ({@code onnx/backend/test/data/node} of its repository), read from a
 * folder: one case {@code hal:onnx/test_add} for each of its folders that holds a {@code
 * model.onnx}. What operators of the HAL cannot express is NOT_SUPPORTED with the reason.
 */
public final class OnnxCases implements CaseSource {
  private final List<Path> folders;

  /**
   * Lists the tests of a folder; they are read when they run.
   *
   * @throws HalException {@code INVALID_ARGUMENT} if it is no folder, or one without node tests
   */
  public OnnxCases(Path folder) {
    try (Stream<Path> all = Files.list(folder)) {
      this.folders =
          all.filter(p -> Files.isRegularFile(p.resolve("model.onnx")))
              .sorted(Comparator.comparing(p -> p.getFileName().toString()))
              .toList();
    } catch (IOException e) {
      throw invalid("cannot list the folder of ONNX node tests", folder);
    }
    if (folders.isEmpty()) {
      throw invalid("no ONNX node test: no folder with a model.onnx", folder);
    }
  }

  /** What stands for the node tests where no folder is given: one case that is NOT_RUN. */
  public static CaseSource absent() {
    return () -> Stream.of(new AbsentOnnxCase());
  }

  private static HalException invalid(String what, Path folder) {
    return HalException.of(HalErrorCode.INVALID_ARGUMENT, what)
        .on(folder.toString())
        .remedy("give the folder that holds test_add and others, each with its model.onnx")
        .build();
  }

  @Override
  public Stream<ConformanceCase> cases() {
    return folders.stream().map(OnnxCase::new);
  }
}
