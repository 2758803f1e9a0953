package dev.halcyon.backend.cpu.kernels;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.Set;

/**
 * Finds the C library. From a class folder it is used in place; from a jar it is copied into a
 * cache that only its user can write, {@code halcyon.cpu.cache} or {@code ~/.cache/halcyon}, under
 * the digest of its content.
 */
final class NativeLibrary {
  private NativeLibrary() {}

  private static final String FILE = "libhalcyon_cpu.so";
  private static final String REBUILD =
      "build Halcyon where a C compiler is installed, or use a jar built for this platform";

  static Path locate() throws CTier.UnavailableException {
    String platform = platform();
    String resource = "/native/" + platform + "/" + FILE;
    URL url = NativeLibrary.class.getResource(resource);
    if (url == null) {
      throw new CTier.UnavailableException("no C library for " + platform + " was built", REBUILD);
    }
    try {
      if (url.getProtocol().equals("file")) {
        return requireWhole(Path.of(URI.create(url.toString())));
      }
      try (InputStream in = url.openStream()) {
        return cached(in.readAllBytes());
      }
    } catch (IOException | RuntimeException e) {
      throw new CTier.UnavailableException(
          "the C library cannot be used: " + e.getMessage(),
          "rebuild, or set -Dhalcyon.cpu.cache to a folder of your own that allows execution",
          e);
    }
  }

  /**
   * A library that was cut off kills the process when it is loaded: its last part must be there.
   */
  private static Path requireWhole(Path library) throws IOException {
    ByteBuffer elf = ByteBuffer.wrap(Files.readAllBytes(library)).order(ByteOrder.LITTLE_ENDIAN);
    // the table of sections comes last: its place, and the size and number of its entries
    boolean isWhole =
        elf.limit() > 64
            && elf.getInt(0) == 0x464c457f
            && elf.getLong(0x28) + (long) elf.getShort(0x3a) * elf.getShort(0x3c) <= elf.limit();
    if (!isWhole) {
      throw new IOException(library + " is not a complete shared library");
    }
    return library;
  }

  /** Operating system and architecture as in the resource's path. */
  static String platform() {
    String os = System.getProperty("os.name").toLowerCase(java.util.Locale.ROOT);
    String arch = System.getProperty("os.arch");
    return (os.contains("linux") ? "linux" : os.replace(' ', '-'))
        + "-"
        + (arch.equals("amd64") ? "x86_64" : arch);
  }

  private static Path cached(byte[] content) throws IOException {
    Path folder = privateFolder(cacheRoot().resolve("native").resolve(digest(content)));
    Path file = folder.resolve(FILE);
    if (Files.isRegularFile(file) && digest(Files.readAllBytes(file)).equals(digest(content))) {
      return file;
    }
    Path part = Files.createTempFile(folder, FILE, ".part");
    try {
      Files.write(part, content);
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(part);
    }
    return file;
  }

  private static Path cacheRoot() {
    String set = System.getProperty("halcyon.cpu.cache", "");
    if (!set.isEmpty()) {
      return Path.of(set);
    }
    String xdg = System.getenv("XDG_CACHE_HOME");
    return xdg != null && !xdg.isEmpty()
        ? Path.of(xdg, "halcyon")
        : Path.of(System.getProperty("user.home"), ".cache", "halcyon");
  }

  /** Makes a folder nobody else can write to; what others can write is not loaded. */
  private static Path privateFolder(Path folder) throws IOException {
    Set<PosixFilePermission> mine = PosixFilePermissions.fromString("rwx------");
    Files.createDirectories(folder.getParent());
    if (!Files.isDirectory(folder)) {
      try {
        Files.createDirectory(folder, PosixFilePermissions.asFileAttribute(mine));
      } catch (java.nio.file.FileAlreadyExistsException e) {
        // another process was faster
      }
    }
    Set<PosixFilePermission> has = Files.getPosixFilePermissions(folder);
    Set<PosixFilePermission> others =
        EnumSet.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE);
    others.retainAll(has);
    Object owner = Files.getAttribute(folder, "unix:uid");
    Object self = Files.getAttribute(Path.of("/proc/self"), "unix:uid");
    if (!others.isEmpty() || !owner.equals(self)) {
      throw new IOException(folder + " belongs to another user or can be written by others");
    }
    return folder;
  }

  private static String digest(byte[] content) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
