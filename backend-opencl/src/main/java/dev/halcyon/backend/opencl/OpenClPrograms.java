package dev.halcyon.backend.opencl;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.NativeStatus;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jocl.CL;
import org.jocl.Pointer;
import org.jocl.cl_device_id;
import org.jocl.cl_program;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The compiled programs of a device: built when first needed, kept as binaries in the {@link
 * PrivateCache} for the next process. A binary's name is the hash of source, options, device and
 * driver; its own hash stands in front of it, so a damaged file is rebuilt. Thread-safe.
 */
final class OpenClPrograms {
  private static final Logger LOG = LoggerFactory.getLogger(OpenClPrograms.class);
  private static final String FOLDER = "/dev/halcyon/backend/opencl/kernels/";
  private static final int HASH_CHARACTERS = 64;

  /**
   * A kernel family compiled with defines.
   *
   * @param family the file, without suffix
   * @param prefixes files in front of it, after common.cl
   * @param defines options
   */
  record Key(String family, List<String> prefixes, String defines) {
    static Key of(String family, String defines, String... prefixes) {
      return new Key(family, List.of(prefixes), defines);
    }

    @Override
    public String toString() {
      return family + "[" + defines + "]";
    }
  }

  private final OpenClDevice device;
  private final boolean onDisk;
  private final Map<Key, cl_program> programs = new ConcurrentHashMap<>();

  OpenClPrograms(OpenClDevice device, boolean onDisk) {
    this.device = device;
    this.onDisk = onDisk;
  }

  cl_program get(Key key) {
    return programs.computeIfAbsent(key, this::load);
  }

  private cl_program load(Key key) {
    StringBuilder source = new StringBuilder(read("common"));
    key.prefixes.forEach(p -> source.append(read(p)));
    source.append(read(key.family));
    String options = "-cl-std=CL1.2 " + device.profile().defines() + " " + key.defines;
    Optional<Path> file = onDisk ? file(source + options) : Optional.empty();
    Optional<cl_program> cached = file.flatMap(f -> fromBinary(f, options));
    if (cached.isPresent()) {
      return cached.get();
    }
    int[] status = new int[1];
    cl_program program =
        CL.clCreateProgramWithSource(
            device.context(), 1, new String[] {source.toString()}, null, status);
    OpenClErrors.check(status[0], "clCreateProgramWithSource", key.toString());
    int built = build(program, options);
    if (built != OpenClErrors.SUCCESS) {
      String log = log(program);
      CL.clReleaseProgram(program);
      throw HalException.of(
              HalErrorCode.KERNEL_BUILD_FAILED, "kernels " + key + " do not build:\n" + log)
          .on(device.info().uri().toString())
          .nativeStatus(
              new NativeStatus("OpenCL", built, "clBuildProgram", OpenClErrors.name(built)))
          .remedy("update the OpenCL driver; report the build log with the driver's version")
          .build();
    }
    file.ifPresent(f -> save(program, f));
    return program;
  }

  private int build(cl_program program, String options) {
    cl_device_id[] devices = {device.entry().device()};
    return CL.clBuildProgram(program, 1, devices, options, null, null);
  }

  private String log(cl_program program) {
    cl_device_id id = device.entry().device();
    long[] size = new long[1];
    CL.clGetProgramBuildInfo(program, id, CL.CL_PROGRAM_BUILD_LOG, 0, null, size);
    ByteBuffer text = ByteBuffer.allocateDirect((int) size[0]);
    if (text.capacity() > 0) {
      CL.clGetProgramBuildInfo(
          program, id, CL.CL_PROGRAM_BUILD_LOG, text.capacity(), Pointer.to(text), null);
    }
    return OpenClCatalogue.text(text);
  }

  private static String read(String name) {
    try (InputStream in = OpenClPrograms.class.getResourceAsStream(FOLDER + name + ".cl")) {
      if (in == null) {
        throw new IOException("resource " + FOLDER + name + ".cl is missing");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Optional<Path> file(String text) {
    String key = text + '\0' + device.info().name() + '\0' + device.info().driver();
    try {
      return Optional.of(
          PrivateCache.folder("programs")
              .resolve(PrivateCache.sha256(key.getBytes(StandardCharsets.UTF_8)) + ".bin"));
    } catch (IOException e) {
      LOG.warn(
          "no folder for compiled kernels, they are built anew in every process: {}", e.toString());
      return Optional.empty();
    }
  }

  private Optional<cl_program> fromBinary(Path file, String options) {
    if (Files.notExists(file)) {
      return Optional.empty();
    }
    try {
      byte[] all = Files.readAllBytes(file);
      byte[] binary = Arrays.copyOfRange(all, Math.min(HASH_CHARACTERS, all.length), all.length);
      String hash = new String(all, 0, all.length - binary.length, StandardCharsets.US_ASCII);
      if (!hash.equals(PrivateCache.sha256(binary))) {
        LOG.warn("compiled kernels in {} are damaged and built anew", file);
        return Optional.empty();
      }
      int[] status = new int[1];
      int[] binaryStatus = new int[1];
      cl_program program =
          CL.clCreateProgramWithBinary(
              device.context(),
              1,
              new cl_device_id[] {device.entry().device()},
              new long[] {binary.length},
              new byte[][] {binary},
              binaryStatus,
              status);
      if (status[0] == OpenClErrors.SUCCESS) {
        if (build(program, options) == OpenClErrors.SUCCESS) {
          return Optional.of(program);
        }
        CL.clReleaseProgram(program);
      }
      LOG.warn("the driver refuses the compiled kernels in {}; they are built anew", file);
    } catch (IOException e) {
      LOG.warn("compiled kernels in {} cannot be read and are built anew: {}", file, e.toString());
    }
    return Optional.empty();
  }

  private void save(cl_program program, Path file) {
    ByteBuffer size = ByteBuffer.allocateDirect(8).order(ByteOrder.nativeOrder());
    int status =
        CL.clGetProgramInfo(program, CL.CL_PROGRAM_BINARY_SIZES, 8, Pointer.to(size), null);
    if (status != OpenClErrors.SUCCESS || size.getLong(0) <= 0) {
      LOG.warn(
          "the driver gives no binary of compiled kernels to keep: {}", OpenClErrors.name(status));
      return;
    }
    ByteBuffer direct = ByteBuffer.allocateDirect(Math.toIntExact(size.getLong(0)));
    status =
        CL.clGetProgramInfo(
            program, CL.CL_PROGRAM_BINARIES, 8, Pointer.to(Pointer.to(direct)), null);
    if (status != OpenClErrors.SUCCESS) {
      LOG.warn(
          "the driver gives no binary of compiled kernels to keep: {}", OpenClErrors.name(status));
      return;
    }
    byte[] binary = new byte[direct.capacity()];
    direct.get(0, binary);
    byte[] hash = PrivateCache.sha256(binary).getBytes(StandardCharsets.US_ASCII);
    byte[] all = Arrays.copyOf(hash, hash.length + binary.length);
    System.arraycopy(binary, 0, all, hash.length, binary.length);
    try {
      PrivateCache.write(file, all);
    } catch (IOException e) {
      LOG.warn("compiled kernels cannot be kept in {}: {}", file, e.toString());
    }
  }

  /** Releases all programs; their kernels are released before. */
  void close() {
    new ArrayList<>(programs.values()).forEach(CL::clReleaseProgram);
    programs.clear();
  }
}
