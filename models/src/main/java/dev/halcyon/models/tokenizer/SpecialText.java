package dev.halcyon.models.tokenizer;

/** Whether decoded text contains special tokens. */
public enum SpecialText {
  KEEP,
  SKIP
}
