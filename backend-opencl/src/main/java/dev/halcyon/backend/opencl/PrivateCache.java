package dev.halcyon.backend.opencl;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Set;

/**
 * A folder of this user alone (mode 0700) for native parts and compiled programs: {@code
 * halcyon/opencl} under {@code XDG_CACHE_HOME} or {@code ~/.cache}. Where that cannot be had, a
 * fresh temporary folder serves this process.
 */
final class PrivateCache {
  private static final Set<PosixFilePermission> OWNER_ONLY =
      PosixFilePermissions.fromString("rwx------");
  private static final boolean POSIX =
      FileSystems.getDefault().supportedFileAttributeViews().contains("posix");

  private PrivateCache() {}

  /** The sub-folder {@code name}, existing and private. */
  static Path folder(String name) throws IOException {
    try {
      return make(root().resolve(name));
    } catch (IOException | SecurityException e) {
      return Files.createTempDirectory("halcyon-opencl-");
    }
  }

  private static Path root() throws IOException {
    String given = System.getProperty("halcyon.cache", "");
    String xdg = System.getenv().getOrDefault("XDG_CACHE_HOME", "");
    Path base =
        !given.isEmpty()
            ? Path.of(given)
            : !xdg.isEmpty() ? Path.of(xdg) : Path.of(System.getProperty("user.home"), ".cache");
    return make(make(base.resolve("halcyon")).resolve("opencl"));
  }

  /**
   * Creates {@code folder} with mode 0700, or checks that it belongs to this user and nobody else
   * may write to it.
   */
  private static Path make(Path folder) throws IOException {
    if (!POSIX) {
      return Files.createDirectories(folder);
    }
    if (Files.notExists(folder, LinkOption.NOFOLLOW_LINKS)) {
      Files.createDirectories(folder.getParent());
      try {
        Files.createDirectory(folder, PosixFilePermissions.asFileAttribute(OWNER_ONLY));
      } catch (java.nio.file.FileAlreadyExistsException e) {
        // another process was faster; checked below
      }
    }
    String user = System.getProperty("user.name");
    if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)
        || !Files.getOwner(folder, LinkOption.NOFOLLOW_LINKS).getName().equals(user)) {
      throw new IOException(folder + " does not belong to " + user);
    }
    if (!Files.getPosixFilePermissions(folder).equals(OWNER_ONLY)) {
      Files.setPosixFilePermissions(folder, OWNER_ONLY);
    }
    return folder;
  }

  /** Whether {@code file} is a plain file of exactly these bytes. */
  static boolean holds(Path file, byte[] bytes) throws IOException {
    return Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
        && Files.size(file) == bytes.length
        && Arrays.equals(Files.readAllBytes(file), bytes);
  }

  /** Writes a file such that other processes see all of it or nothing. */
  static void write(Path file, byte[] bytes) throws IOException {
    Path part = Files.createTempFile(file.getParent(), file.getFileName().toString(), ".part");
    try {
      Files.write(part, bytes);
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(part);
    }
  }

  /** The hexadecimal SHA-256 of {@code bytes}. */
  static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
