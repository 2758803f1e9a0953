package dev.halcyon.cli;

import java.util.ArrayList;
import java.util.List;

/** Columns padded to their widest cell, two spaces between. */
final class TextTable {
  /** Where a column's text stands. */
  enum Align {
    LEFT,
    RIGHT
  }

  private final List<Align> columns;
  private final List<List<String>> rows = new ArrayList<>();

  TextTable(Align... columns) {
    this.columns = List.of(columns);
  }

  /** A row; the first one is the heading. */
  TextTable row(String... cells) {
    if (cells.length != columns.size()) {
      throw new IllegalArgumentException(
          cells.length + " cells for " + columns.size() + " columns");
    }
    rows.add(List.of(cells));
    return this;
  }

  /** The lines, without line ends and without trailing spaces. */
  List<String> lines() {
    int[] widths = new int[columns.size()];
    for (List<String> row : rows) {
      for (int i = 0; i < widths.length; i++) {
        widths[i] = Math.max(widths[i], width(row.get(i)));
      }
    }
    List<String> lines = new ArrayList<>();
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < widths.length; i++) {
        String cell = row.get(i);
        String padding = " ".repeat(widths[i] - width(cell));
        line.append(i == 0 ? "" : "  ")
            .append(columns.get(i) == Align.LEFT ? cell + padding : padding + cell);
      }
      lines.add(line.toString().stripTrailing());
    }
    return lines;
  }

  private static int width(String cell) {
    return cell.codePointCount(0, cell.length());
  }

  /** Prints to standard output, the heading in bold. */
  void print(Console console) {
    List<String> lines = lines();
    for (int i = 0; i < lines.size(); i++) {
      console.println(i == 0 ? console.onOut(Console.Style.BOLD, lines.get(i)) : lines.get(i));
    }
  }
}
