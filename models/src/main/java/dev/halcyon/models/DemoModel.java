package dev.halcyon.models;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The checkpoint packaged with this module, as a directory. It is extracted once per content: into
 * a fresh folder that is renamed when complete, so that a process never sees half of it, below a
 * folder only its user can enter.
 */
final class DemoModel {
  private static final List<String> FILES =
      List.of(
          "README.md",
          "config.json",
          "generation_config.json",
          "golden.json",
          "golden.safetensors",
          "heldout.txt",
          "loss.png",
          "model.safetensors",
          "tokenizer.json",
          "tokenizer_config.json");
  private static final String REMEDY = "set HALCYON_CACHE to a folder only you can write to";

  private final Path root;

  /**
   * @param root folder of extracted models, created if missing
   */
  DemoModel(Path root) {
    this.root = root.toAbsolutePath();
  }

  /** The extracted checkpoint; extracts it if it is not there or was changed. */
  Path directory() {
    Map<String, byte[]> files = resources();
    String key = HexFormat.of().formatHex(digest(files), 0, 8);
    try {
      preparePrivateRoot();
      Path target = root.resolve("demo-" + key);
      if (intact(target, files)) {
        return target;
      }
      return extract(target, files);
    } catch (IOException e) {
      throw HalException.of(
              HalErrorCode.MODEL_NOT_FOUND, "the demo model cannot be extracted: " + describe(e))
          .on(root.toString())
          .remedy(REMEDY)
          .cause(e)
          .build();
    }
  }

  private static String describe(IOException e) {
    return e.getClass().getSimpleName() + (e.getMessage() == null ? "" : " " + e.getMessage());
  }

  private void preparePrivateRoot() throws IOException {
    boolean posix = posix(existingParent(root));
    if (!Files.isDirectory(root)) {
      Files.createDirectories(root.getParent());
      try {
        if (posix) {
          Files.createDirectory(
              root,
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } else {
          Files.createDirectory(root);
        }
      } catch (FileAlreadyExistsException e) {
        // another process was faster; checked below like any existing folder
      }
    }
    if (posix) {
      Set<PosixFilePermission> given = Files.getPosixFilePermissions(root);
      if (given.contains(PosixFilePermission.GROUP_WRITE)
          || given.contains(PosixFilePermission.OTHERS_WRITE)) {
        throw new FileSystemException(root.toString(), null, "others may write to this folder");
      }
    }
  }

  private static Path existingParent(Path path) {
    Path p = path;
    while (p.getParent() != null && !Files.exists(p)) {
      p = p.getParent();
    }
    return p;
  }

  private static boolean posix(Path path) throws IOException {
    return Files.getFileStore(path).supportsFileAttributeView("posix");
  }

  private static boolean intact(Path target, Map<String, byte[]> files) throws IOException {
    if (!Files.isDirectory(target, LinkOption.NOFOLLOW_LINKS)) {
      return false;
    }
    for (Map.Entry<String, byte[]> e : files.entrySet()) {
      Path file = target.resolve(e.getKey());
      if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
          || Files.size(file) != e.getValue().length
          || !Arrays.equals(Files.readAllBytes(file), e.getValue())) {
        return false;
      }
    }
    return true;
  }

  private Path extract(Path target, Map<String, byte[]> files) throws IOException {
    Path fresh = Files.createTempDirectory(root, "demo-");
    try {
      for (Map.Entry<String, byte[]> e : files.entrySet()) {
        Files.write(fresh.resolve(e.getKey()), e.getValue());
      }
      if (Files.exists(target, LinkOption.NOFOLLOW_LINKS) && !intact(target, files)) {
        Path damaged = Files.createTempDirectory(root, "old-");
        Files.move(target, damaged.resolve("demo"), StandardCopyOption.ATOMIC_MOVE);
        delete(damaged);
      }
      try {
        Files.move(fresh, target, StandardCopyOption.ATOMIC_MOVE);
      } catch (FileSystemException e) {
        if (!intact(target, files)) {
          throw e;
        }
      }
      return target;
    } finally {
      delete(fresh);
    }
  }

  private static void delete(Path directory) throws IOException {
    if (!Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    try (Stream<Path> all = Files.walk(directory)) {
      for (Path p : all.sorted(java.util.Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(p);
      }
    }
  }

  private static Map<String, byte[]> resources() {
    Map<String, byte[]> files = new LinkedHashMap<>();
    for (String name : FILES) {
      try (InputStream in = DemoModel.class.getResourceAsStream("demo/" + name)) {
        if (in == null) {
          throw HalException.of(
                  HalErrorCode.MODEL_NOT_FOUND, "this build does not contain the demo model")
              .on("demo/" + name)
              .remedy("use a complete build, or name another model")
              .build();
        }
        files.put(name, in.readAllBytes());
      } catch (IOException e) {
        throw HalException.of(
                HalErrorCode.MODEL_NOT_FOUND, "the demo model cannot be read: " + describe(e))
            .on("demo/" + name)
            .remedy("reinstall: the jar is damaged")
            .cause(e)
            .build();
      }
    }
    return files;
  }

  private static byte[] digest(Map<String, byte[]> files) {
    try {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      files.forEach(
          (name, bytes) -> {
            sha.update(name.getBytes(java.nio.charset.StandardCharsets.UTF_8));
            sha.update((byte) 0);
            sha.update(bytes);
          });
      return sha.digest();
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
