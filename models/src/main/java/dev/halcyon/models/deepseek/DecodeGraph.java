package dev.halcyon.models.deepseek;

import dev.halcyon.hal.CommandGraph;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Operators;
import dev.halcyon.hal.Tensor;
import java.lang.foreign.Arena;

/** The captured decode step of one batch size, with memory of its own. */
final class DecodeGraph implements AutoCloseable {
  private final MemoryArena memory;
  private final CommandGraph graph;
  final StepInputs inputs;
  final DecoderStack.Output output;

  DecodeGraph(
      DecoderStack stack,
      Operators ops,
      Arena hostArena,
      KvCache cache,
      Tensor cos,
      Tensor sin,
      int tokens) {
    CommandStream stream = ops.stream();
    this.memory = stream.device().newArena(MemoryArena.Kind.SCRATCH, "decode step of " + tokens);
    boolean complete = false;
    try {
      this.inputs = new StepInputs(memory, hostArena, tokens, tokens);
      Step step = new Step(inputs, cache.table(), cos, sin, MlaForm.ABSORBED);
      stream.beginCapture();
      this.output = stack.enqueue(ops, memory, step, cache, Trace.NONE).orElseThrow();
      this.graph = stream.endCapture();
      complete = true;
    } finally {
      if (!complete) {
        stream.abortCapture();
        memory.close();
      }
    }
  }

  CommandGraph graph() {
    return graph;
  }

  @Override
  public void close() {
    graph.close();
    memory.close();
  }
}
