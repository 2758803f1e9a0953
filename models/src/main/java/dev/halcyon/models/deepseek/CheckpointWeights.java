package dev.halcyon.models.deepseek;

import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Cast;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.checkpoint.CheckpointTensor;
import dev.halcyon.models.config.Quantization;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Weights of a mapped checkpoint: in place where the device reads host memory, uploaded otherwise,
 * converted on the device if another format is wanted. The checkpoint must stay open as long as the
 * arena.
 */
final class CheckpointWeights implements WeightSource {
  private static final long SMALL = 1 << 16;

  private final Checkpoint checkpoint;
  private final Optional<Quantization.Fp8> fp8;
  private final MemoryArena arena;
  private final WeightConversion conversion;
  private final CommandStream stream;
  private final LoadProgress progress;

  CheckpointWeights(
      Checkpoint checkpoint,
      Quantization quantization,
      MemoryArena arena,
      WeightConversion conversion,
      LoadProgress progress) {
    this.checkpoint = checkpoint;
    this.fp8 = quantization instanceof Quantization.Fp8 q ? Optional.of(q) : Optional.empty();
    this.arena = arena;
    this.conversion = conversion;
    this.stream = conversion.ops().stream();
    this.progress = progress;
  }

  @Override
  public WeightFormat format() {
    return conversion.format();
  }

  @Override
  public boolean has(String name) {
    return checkpoint.contains(name);
  }

  @Override
  public Tensor linear(String name, long rows, long columns) {
    CheckpointTensor data = checkpoint.get(name, rows, columns);
    Optional<QuantScheme.Blocked> scheme = schemeOf(data, name);
    if (isWanted(data, scheme)) {
      Tensor t = place(data, arena);
      if (scheme.isEmpty()) {
        return t;
      }
      return t.withScales(placeScales(data, scheme.get(), arena), scheme.get());
    }
    Tensor target = arena.allocate(conversion.wantedType(Shape.of(rows, columns)));
    convert(data, scheme, target);
    return target;
  }

  @Override
  public Tensor stacked(List<String> names, long rows, long columns) {
    if (stream.device().capabilities().has(Feature.STACKED_PARTS)) {
      List<Tensor> parts = new ArrayList<>();
      for (String name : names) {
        parts.add(linear(name, rows, columns));
      }
      requireOneType(names, parts);
      return Tensor.stack(parts);
    }
    CheckpointTensor first = checkpoint.get(names.getFirst(), rows, columns);
    Optional<QuantScheme.Blocked> scheme = schemeOf(first, names.getFirst());
    Shape shape = Shape.of(names.size(), rows, columns);
    TensorType type =
        isWanted(first, scheme)
            ? TensorType.of(first.dtype(), shape)
                .withQuant(scheme.isPresent() ? scheme.get() : QuantScheme.NONE)
            : conversion.wantedType(shape);
    Tensor all = arena.allocate(type);
    for (int i = 0; i < names.size(); i++) {
      CheckpointTensor data = checkpoint.get(names.get(i), rows, columns);
      Optional<QuantScheme.Blocked> own = schemeOf(data, names.get(i));
      if (data.dtype() != first.dtype() || !own.equals(scheme)) {
        throw mixed(names.get(i), data.dtype() + " " + own, first.dtype() + " " + scheme);
      }
      Tensor target = all.part(i);
      if (isWanted(data, scheme)) {
        stream.upload(data.data(), target);
        if (scheme.isPresent()) {
          stream.upload(scales(data, scheme.get()).data(), target.scales().orElseThrow());
        }
        progress.advance(data.byteSize());
      } else {
        convert(data, scheme, target);
      }
    }
    return all;
  }

  private static void requireOneType(List<String> names, List<Tensor> parts) {
    for (int i = 1; i < parts.size(); i++) {
      if (!parts.get(i).type().equals(parts.getFirst().type())) {
        throw mixed(
            names.get(i), parts.get(i).type().toString(), parts.getFirst().type().toString());
      }
    }
  }

  private static HalException mixed(String name, String is, String expected) {
    return HalException.of(
            HalErrorCode.DTYPE_MISMATCH,
            "'" + name + "' is " + is + ", the first expert is " + expected)
        .remedy(
            "convert the checkpoint so that all experts of a layer have one dtype, or give --dtype")
        .build();
  }

  @Override
  public Tensor plain(String name, long... shape) {
    CheckpointTensor data = checkpoint.get(name, shape);
    if (data.dtype() == DType.F32 || data.dtype() == DType.F16 || data.dtype() == DType.BF16) {
      return place(data, arena);
    }
    throw HalException.of(
            HalErrorCode.DTYPE_MISMATCH,
            "tensor '" + name + "' is " + data.dtype() + ", not f32, f16 or bf16")
        .on(data.file().toString())
        .remedy("convert this tensor to bf16")
        .build();
  }

  @Override
  public Tensor f32(String name, long... shape) {
    Tensor t = plain(name, shape);
    if (t.dtype() == DType.F32) {
      return t;
    }
    Tensor out = arena.allocate(TensorType.of(DType.F32, shape));
    conversion.ops().run(new Cast(), t, out);
    return out;
  }

  /** The scheme of a quantised checkpoint tensor; its scales are a tensor of their own. */
  private Optional<QuantScheme.Blocked> schemeOf(CheckpointTensor data, String name) {
    if (data.dtype().isFloating() && data.dtype() != DType.F8_E4M3FN) {
      return Optional.empty();
    }
    if (data.dtype() != DType.F8_E4M3FN || fp8.isEmpty()) {
      throw HalException.of(
              HalErrorCode.DTYPE_MISMATCH,
              "tensor '"
                  + name
                  + "' is "
                  + data.dtype()
                  + " but config.json declares no such quantisation")
          .on(data.file().toString())
          .remedy("add the model's quantization_config to config.json, or use a bf16 checkpoint")
          .build();
    }
    CheckpointTensor scales = checkpoint.get(scaleName(name));
    ScaleFormat stored =
        switch (scales.dtype()) {
          case F32 -> ScaleFormat.F32;
          case BF16 -> ScaleFormat.BF16;
          case F16 -> ScaleFormat.F16;
          case U8 -> ScaleFormat.UE8M0;
          default ->
              throw HalException.of(
                      HalErrorCode.DTYPE_MISMATCH,
                      "scales '" + scales.name() + "' are " + scales.dtype())
                  .on(scales.file().toString())
                  .remedy("store scales as f32, bf16, f16 or e8m0")
                  .build();
        };
    return Optional.of(
        new QuantScheme.Blocked(fp8.get().blockRows(), fp8.get().blockColumns(), stored));
  }

  private static String scaleName(String name) {
    return name + "_scale_inv";
  }

  private CheckpointTensor scales(CheckpointTensor data, QuantScheme.Blocked scheme) {
    return checkpoint.get(scaleName(data.name()), scheme.scaleShape(Shape.of(data.shape())).dims());
  }

  private boolean isWanted(CheckpointTensor data, Optional<QuantScheme.Blocked> scheme) {
    return conversion.isWanted(data.dtype(), scheme.isPresent() ? scheme.get() : QuantScheme.NONE);
  }

  private Tensor placeScales(CheckpointTensor data, QuantScheme.Blocked scheme, MemoryArena where) {
    return place(scales(data, scheme), where);
  }

  /** In place if the device can and it pays, else uploaded. */
  private Tensor place(CheckpointTensor data, MemoryArena where) {
    progress.advance(data.byteSize());
    TensorType type = TensorType.of(data.dtype(), data.shape());
    if (data.byteSize() >= SMALL) {
      Optional<Tensor> imported = where.importHost(data.data(), type);
      if (imported.isPresent()) {
        return imported.get();
      }
    }
    Tensor t = where.allocate(type);
    stream.upload(data.data(), t);
    return t;
  }

  private void convert(CheckpointTensor data, Optional<QuantScheme.Blocked> scheme, Tensor target) {
    MemoryArena scratch = conversion.scratch();
    scratch.reset();
    Tensor source = place(data, scratch);
    if (scheme.isPresent()) {
      source = source.withScales(placeScales(data, scheme.get(), scratch), scheme.get());
    }
    conversion.convert(source, target);
  }
}
