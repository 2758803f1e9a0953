package dev.halcyon.models.deepseek;

import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What a step of T tokens tells the device, i32: ids [T], positions [T], sequence [T], slots [T]
 * (cache row of each token) and rows [R] (which tokens get logits). One upload.
 */
final class StepInputs {
  private final int tokens;
  private final int rows;
  private final MemorySegment host;
  private final Tensor packed;
  final Tensor ids;
  final Tensor positions;
  final Tensor sequence;
  final Tensor slots;
  final Tensor logitRows;

  StepInputs(MemoryArena device, Arena hostArena, int tokens, int rows) {
    this.tokens = tokens;
    this.rows = rows;
    long n = 4L * tokens + rows;
    this.host = hostArena.allocate(n * Integer.BYTES, 64);
    this.packed = device.allocate(TensorType.of(DType.I32, n));
    this.ids = packed.slice(0, 0, tokens);
    this.positions = packed.slice(0, tokens, tokens);
    this.sequence = packed.slice(0, 2L * tokens, tokens);
    this.slots = packed.slice(0, 3L * tokens, tokens);
    this.logitRows = packed.slice(0, 4L * tokens, rows);
  }

  int tokens() {
    return tokens;
  }

  int rows() {
    return rows;
  }

  void token(int t, int id, int position, int sequenceRow, int slot) {
    host.setAtIndex(ValueLayout.JAVA_INT, t, id);
    host.setAtIndex(ValueLayout.JAVA_INT, tokens + t, position);
    host.setAtIndex(ValueLayout.JAVA_INT, 2L * tokens + t, sequenceRow);
    host.setAtIndex(ValueLayout.JAVA_INT, 3L * tokens + t, slot);
  }

  void logitRow(int r, int token) {
    host.setAtIndex(ValueLayout.JAVA_INT, 4L * tokens + r, token);
  }

  void upload(CommandStream stream) {
    stream.upload(host, packed);
  }
}
