package dev.halcyon.models.deepseek;

import dev.halcyon.hal.Tensor;

/**
 * What all layers of a step share.
 *
 * @param inputs tokens, positions, cache slots
 * @param blockTable i32 [sequences, blocks]
 * @param cos f32 [positions, rope/2]
 * @param sin f32 [positions, rope/2]
 * @param form of latent attention
 */
record Step(StepInputs inputs, Tensor blockTable, Tensor cos, Tensor sin, MlaForm form) {}
