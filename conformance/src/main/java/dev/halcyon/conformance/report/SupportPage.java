package dev.halcyon.conformance.report;

import dev.halcyon.conformance.Status;
import dev.halcyon.hal.plan.Placement;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;

/** docs/SUPPORT.md: which operators devices have for which dtype, in words that change seldom. */
public final class SupportPage {
  private SupportPage() {}

  /** The page for the devices of one or more runs, in the order given. */
  public static String write(List<DeviceReport> devices) {
    List<SupportMatrix> matrices = devices.stream().map(SupportMatrix::new).toList();
    TreeSet<String> operators = new TreeSet<>();
    matrices.forEach(m -> operators.addAll(m.operators()));
    List<String> dtypes = SupportMatrix.columns(matrices.stream());
    StringBuilder page = new StringBuilder();
    page.append("# Support\n\n");
    page.append(
        """
        Made by `halcyon conformance support` from the results of the conformance kit; do not edit. Which operators each
        device runs natively, which by their decomposition into primitives, and which not at all. "views decomposed": dense
        operands run natively, some slices, transposes and broadcasts by decomposition. "partly": it depends on shapes,
        attributes or the other operands' types. A case with operands of several dtypes counts for the narrowest of them;
        "any" is an operator without a choice of dtype. This is what the operators profile meets:

            halcyon conformance --profile operators --device cpu:// --device opencl://0 --device emulated://0 --out report
            halcyon conformance support report/results.json > docs/SUPPORT.md

        """);
    page.append("| operator | dtype |");
    devices.forEach(d -> page.append(" `").append(d.device().uri()).append("` |"));
    page.append("\n|---|---|").append("---|".repeat(devices.size())).append('\n');
    for (String operator : operators) {
      for (String dtype : dtypes) {
        List<Optional<SupportMatrix.Cell>> cells =
            matrices.stream().map(m -> m.cell(operator, dtype)).toList();
        if (cells.stream().anyMatch(Optional::isPresent)) {
          page.append("| ").append(operator).append(" | ").append(dtype).append(" |");
          cells.forEach(
              c -> page.append(' ').append(c.map(SupportPage::words).orElse("")).append(" |"));
          page.append('\n');
        }
      }
    }
    return page.toString();
  }

  private static String words(SupportMatrix.Cell c) {
    List<String> words = new ArrayList<>();
    if (c.count(Placement.NATIVE) > 0) {
      words.add("native");
    }
    if (c.count(Placement.DECOMPOSED) > 0) {
      words.add("decomposed");
    }
    if (c.count(Placement.HOST) > 0) {
      words.add("host");
    }
    if (c.count(Status.NOT_SUPPORTED) > 0) {
      words.add("not supported");
    }
    if (words.equals(List.of("native", "decomposed")) && c.isDenseNative()) {
      return "native; views decomposed";
    }
    return words.size() > 1 ? "partly " + String.join(", ", words) : String.join("", words);
  }
}
