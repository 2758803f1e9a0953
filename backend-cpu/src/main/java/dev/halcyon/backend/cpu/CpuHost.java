package dev.halcyon.backend.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.stream.Stream;

/** What the operating system tells about the host. */
final class CpuHost {
  private CpuHost() {}

  private static final Path MEMINFO = Path.of("/proc/meminfo");
  private static final Path CPUINFO = Path.of("/proc/cpuinfo");
  private static final Path CGROUP_LIMIT = Path.of("/sys/fs/cgroup/memory.max");

  /** The processor's product name. */
  static String cpuName() {
    // "model name" on x86; arm kernels tell an implementer and part number only
    for (String key : List.of("model name", "Model", "Hardware", "cpu model")) {
      try (Stream<String> lines = Files.lines(CPUINFO)) {
        String prefix = key.toLowerCase(Locale.ROOT);
        var name =
            lines
                .filter(l -> l.toLowerCase(Locale.ROOT).startsWith(prefix))
                .map(l -> l.substring(l.indexOf(':') + 1).trim())
                .filter(l -> !l.isEmpty())
                .findFirst();
        if (name.isPresent()) {
          return name.get();
        }
      } catch (IOException | RuntimeException e) {
        break; // no such file: not Linux
      }
    }
    return System.getProperty("os.arch") + " processor";
  }

  /** Memory this process may use: of the machine, or of its control group if that is less. */
  static long totalMemory() {
    long total = meminfo("MemTotal:").orElse(Long.MAX_VALUE);
    try {
      total = Math.min(total, Long.parseLong(Files.readString(CGROUP_LIMIT).trim()));
    } catch (IOException | NumberFormatException e) {
      // no control group, or "max"
    }
    return total == Long.MAX_VALUE ? 1L << 40 : total;
  }

  /** Memory that can be had without swapping; very large where the system does not tell. */
  static long availableMemory() {
    return meminfo("MemAvailable:").orElse(1L << 46);
  }

  private static OptionalLong meminfo(String key) {
    try (Stream<String> lines = Files.lines(MEMINFO)) {
      return lines
          .filter(l -> l.startsWith(key))
          .mapToLong(l -> Long.parseLong(l.replaceAll("[^0-9]", "")) << 10)
          .findFirst();
    } catch (IOException | RuntimeException e) {
      return OptionalLong.empty();
    }
  }
}
