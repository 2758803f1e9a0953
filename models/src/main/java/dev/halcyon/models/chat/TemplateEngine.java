package dev.halcyon.models.chat;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Evaluates one Jinja text with jinjava as jinja2 would with transformers' settings. jinjava
 * collects errors on the side and ignores unknown filters and tests; here each of them is
 * CHAT_TEMPLATE_INVALID. Thread-safe.
 *
 * @implNote Known differences that remain: printing {@code true} or {@code none} directly, adding
 *     an undefined value to a string, and telling an absent key from a null one by {@code is
 *     defined}.
 */
final class TemplateEngine {
  private static final int MAX_OUTPUT_CHARS = 64 << 20;

  private final String source;
  private final String origin;
  private final Jinjava jinjava;

  TemplateEngine(String template, String origin) {
    // jinja2 drops one trailing newline of the template (keep_trailing_newline=False)
    String trimmed =
        template.endsWith("\n") ? template.substring(0, template.length() - 1) : template;
    TemplateSource rewritten = TemplateSource.rewrite(trimmed);
    this.source = rewritten.text();
    this.origin = origin;
    this.jinjava = new Jinjava(config());
    jinjava.registerFilter(new TemplateFunctions.ToJson());
    jinjava.registerFunction(
        new ELFunctionDefinition(
            "", "raise_exception", TemplateFunctions.class, "raiseException", Object.class));
    jinjava.registerFunction(
        new ELFunctionDefinition(
            "", "strftime_now", TemplateFunctions.class, "strftimeNow", String.class));
    if (!rewritten.problems().isEmpty()) {
      throw invalid("the template contains " + String.join(", ", rewritten.problems()));
    }
    for (String filter : rewritten.filters()) {
      if (jinjava.getGlobalContext().getFilter(filter) == null) {
        throw invalid("the template uses the filter '" + filter + "', which is not known");
      }
    }
    for (String test : rewritten.tests()) {
      if (jinjava.getGlobalContext().getExpTest(test) == null) {
        throw invalid("the template uses the test '" + test + "', which is not known");
      }
    }
  }

  private static JinjavaConfig config() {
    return JinjavaConfig.newBuilder()
        .withTrimBlocks(true)
        .withLstripBlocks(true)
        .withKeepTrailingNewline(true)
        // message text must never be evaluated as a template
        .withNestedInterpretationEnabled(false)
        .withMaxOutputSize(MAX_OUTPUT_CHARS)
        .withElResolver(new PythonResolver())
        .withLegacyOverrides(
            LegacyOverrides.newBuilder()
                .withEvaluateMapKeys(true)
                .withIterateOverMapKeys(true)
                .withUsePyishObjectMapper(true)
                // "natural" reads `not x is defined` as `(not x) is defined`
                .withUseNaturalOperatorPrecedence(false)
                .withParseWhitespaceControlStrictly(true)
                .withAllowAdjacentTextNodes(true)
                .withKeepNullableLoopValues(true)
                .withHandleBackslashInQuotesOnly(true)
                .build())
        .build();
  }

  String render(Map<String, Object> variables) {
    RenderResult result;
    try {
      result = jinjava.renderForResult(source, variables);
    } catch (RuntimeException | StackOverflowError e) {
      throw invalid("the template failed: " + e);
    }
    if (result.hasErrors()) {
      throw invalid(
          "the template failed: "
              + result.getErrors().stream()
                  .limit(3)
                  .map(TemplateEngine::describe)
                  .collect(Collectors.joining("; ")));
    }
    return result.getOutput();
  }

  private static String describe(TemplateError e) {
    Throwable cause = e.getException();
    while (cause != null && cause.getCause() != null && cause.getCause() != cause) {
      cause = cause.getCause();
    }
    String message = e.getMessage() == null ? e.getReason().toString() : e.getMessage();
    String root = cause == null || cause.getMessage() == null ? "" : cause.getMessage();
    return message
        + (root.isEmpty() || message.contains(root) ? "" : " (" + root + ")")
        + " at line "
        + e.getLineno();
  }

  private HalException invalid(String what) {
    return HalException.of(HalErrorCode.CHAT_TEMPLATE_INVALID, what)
        .on(origin)
        .remedy(
            "check that roles and their order suit this model; otherwise restore the template, or"
                + " use plain text")
        .build();
  }
}
