package dev.halcyon.conformance.model;

import java.nio.file.Path;
import java.util.Optional;

/** Finds the files of a model when a case needs them. */
interface ModelSource {
  /** What messages call it, and what cases that share a loaded model have in common. */
  String name();

  /** The folder of the checkpoint. */
  Path checkpoint();

  /** Its golden file, if there is one. */
  Optional<Path> golden();
}
