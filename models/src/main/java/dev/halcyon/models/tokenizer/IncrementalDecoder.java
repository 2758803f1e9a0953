package dev.halcyon.models.tokenizer;

import java.util.Arrays;

/**
 * Turns a stream of token ids into a stream of text whose pieces, joined, equal the decoding of all
 * ids at once.
 *
 * <p>A token can end in the middle of a UTF-8 sequence: such text is held back until it is
 * complete. Text that might begin a stop string is held back by {@link
 * dev.halcyon.models.sampling.StopDetector}, which takes this decoder's output. Cost per token does
 * not grow with the length of the stream. One thread at a time.
 *
 * @implNote Decodes a sliding window of ids. An incomplete sequence decodes to exactly one trailing
 *     U+FFFD, so everything before a trailing U+FFFD is final.
 */
public final class IncrementalDecoder {
  private static final int WINDOW = 48;
  private static final int KEEP = 16;

  private final Tokenizer tokenizer;
  private final SpecialText special;
  private int[] ids = new int[WINDOW];
  private int count;
  private int released;

  IncrementalDecoder(Tokenizer tokenizer, SpecialText special) {
    this.tokenizer = tokenizer;
    this.special = special;
  }

  /** Takes the next id; returns the text that became final, possibly empty. */
  public String accept(int id) {
    if (special == SpecialText.SKIP && tokenizer.isSpecial(id)) {
      return "";
    }
    if (count == WINDOW) {
      slide();
    }
    ids[count++] = id;
    String text = window();
    int end = text.endsWith("\uFFFD") ? text.length() - 1 : text.length();
    if (end <= released) {
      return "";
    }
    String out = text.substring(released, end);
    released = end;
    return out;
  }

  /**
   * Ends the stream: returns what was held back, an incomplete sequence as U+FFFD, and starts anew.
   */
  public String flush() {
    String text = window();
    String out = text.substring(Math.min(released, text.length()));
    count = 0;
    released = 0;
    return out;
  }

  private void slide() {
    int held = window().length() - released;
    System.arraycopy(ids, count - KEEP, ids, 0, KEEP);
    count = KEEP;
    released = Math.max(0, window().length() - held);
  }

  private String window() {
    return count == 0 ? "" : tokenizer.decode(Arrays.copyOf(ids, count), special);
  }
}
