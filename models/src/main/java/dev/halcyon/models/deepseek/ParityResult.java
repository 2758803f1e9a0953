package dev.halcyon.models.deepseek;

import java.util.Optional;

/**
 * One prompt of a golden file on one device.
 *
 * @param device its URI
 * @param prompt its name; {@code batch2} and {@code ragged2} are several sequences in one batch
 * @param maxAbsDiff largest absolute difference of a logit, NaN if any logit is; 0 where the file
 *     has no logits
 * @param argmaxAgreement share of positions with the reference's best token
 * @param greedyMatch whether the greedy continuation is the reference's, token for token
 * @param pass whether everything is within tolerance
 * @param firstDeviation the first traced tensor out of tolerance, with its difference
 */
public record ParityResult(
    String device,
    String prompt,
    double maxAbsDiff,
    double argmaxAgreement,
    boolean greedyMatch,
    boolean pass,
    Optional<String> firstDeviation) {}
