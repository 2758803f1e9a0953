package dev.halcyon.cli;

import dev.halcyon.hal.plan.PlacementReport;

/** Says where operators run, before the first token. */
final class Placements {
  private Placements() {}

  /** One line, or with {@link Console.Detail#VERBOSE} every decision; to standard error. */
  static void say(Console console, PlacementReport report, Console.Detail detail) {
    console.say(
        "placement: "
            + switch (detail) {
              case NORMAL -> report.summary();
              case VERBOSE -> report.toString();
            });
  }
}
