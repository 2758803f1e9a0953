/** From a model folder to generated text: prompts, the generation loop and its result. */
package dev.halcyon.models.generate;
