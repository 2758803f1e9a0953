package dev.halcyon.models.chat;

import static dev.halcyon.models.testing.HalAssertions.assertFails;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.models.testing.GoldenResources;
import dev.halcyon.models.tokenizer.SpecialTokens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ChatTemplateTest {
  private static final SpecialTokens TOKENS =
      new SpecialTokens(
          Map.of("bos_token", "<｜begin▁of▁sentence｜>", "eos_token", "<｜end▁of▁sentence｜>"));

  @TempDir Path temp;

  /** Renderings by jinja2 with transformers' settings. */
  @TestFactory
  Stream<DynamicTest> referenceRenderings() throws IOException {
    JsonNode root =
        JsonMapper.shared()
            .readTree(
                Files.readAllBytes(
                    GoldenResources.directory("tokenizer-deepseek-v3").resolve("chat.json")));
    Map<String, ChatTemplate> templates = new HashMap<>();
    root.path("templates")
        .forEachEntry(
            (name, text) -> templates.put(name, ChatTemplate.of(text.stringValue(), name, TOKENS)));
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonNode c : root.path("cases")) {
      String template = c.path("template").stringValue();
      JsonNode thinking = c.path("kwargs").path("thinking");
      boolean generate = c.path("add_generation_prompt").booleanValue();
      ChatOptions options =
          ChatOptions.GENERATE
              .withTurn(generate ? ChatOptions.Turn.ASSISTANT : ChatOptions.Turn.AS_GIVEN)
              .withThinking(
                  thinking.isMissingNode()
                      ? ChatOptions.Thinking.DEFAULT
                      : thinking.booleanValue()
                          ? ChatOptions.Thinking.ON
                          : ChatOptions.Thinking.OFF);
      List<ChatMessage> messages =
          c.path("messages").valueStream().map(ChatTemplateTest::message).toList();
      tests.add(
          DynamicTest.dynamicTest(
              template
                  + " "
                  + c.path("name").stringValue()
                  + " generate="
                  + generate
                  + " thinking="
                  + thinking,
              () ->
                  assertEquals(
                      c.path("text").stringValue(),
                      templates.get(template).render(messages, options))));
    }
    assertEquals(84, tests.size());
    return tests.stream();
  }

  private static ChatMessage message(JsonNode m) {
    List<ChatMessage.ToolCall> calls =
        m.path("tool_calls")
            .valueStream()
            .map(
                t ->
                    new ChatMessage.ToolCall(
                        Optional.empty(),
                        t.path("function").path("name").stringValue(),
                        t.path("function").path("arguments").stringValue()))
            .toList();
    return new ChatMessage(
        m.path("role").stringValue(), m.path("content").stringValueOpt(), calls, Map.of());
  }

  private static String render(String template, Map<String, Object> variables) {
    return ChatTemplate.of(template, "test", TOKENS)
        .render(
            List.of(ChatMessage.user("hi")),
            new ChatOptions(
                ChatOptions.Turn.ASSISTANT, ChatOptions.Thinking.DEFAULT, List.of(), variables));
  }

  /** Expected values are what jinja2 3.1 with transformers' settings prints. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "{{ s.split('</t>', 1)[1] }} ~ b</t>c",
        "{{ s.split('</t>')[-1] }} ~ c",
        "{{ s.rsplit('</t>', 1)[0] }} ~ a</t>b",
        "{{ '  x y '.split() | join('-') }} ~ x-y",
        "{{ '--x-'.strip('-') }}{{ '--x-'.lstrip('-') }}{{ '--x-'.rstrip('-') }} ~ xx---x",
        "{{ 'a.b.c'.replace('.', '-', 1) }} ~ a-b.c",
        "{{ 'abc'.startswith('ab') and not 'abc'.endswith('b') }} ~ true",
        "{{ ', '.join(['a', 'b']) }} ~ a, b",
        "{{ 'b' not in 'abc' or 'x' in ['x'] }} ~ true",
        "{% if not 'b' in ['a'] %}y{% else %}n{% endif %} ~ y",
        "{% if not d.k in ['v'] %}y{% else %}n{% endif %} ~ n",
        "{{ 'not a in b' }} ~ not a in b",
        "{% for m in l[::-1] %}{{ m }}{% endfor %} ~ 321",
        "{% for m in l[1:] %}{{ m }}{% endfor %} ~ 23",
        "{{ d | tojson }} ~ {\"k\": \"v\"}",
        "{{ d.get('k') }}{{ d.get('z', 'q') }} ~ vq",
        "{% if z is not defined %}u{% endif %} ~ u",
        "{%- generation %}g{% endgeneration %} ~ g",
        "{% for m in l %}{% if loop.last %}{% break %}{% endif %}{{ m }}{% endfor %} ~ 12",
        "{% set ns = namespace(x='') %}{% for m in l %}{% set ns.x = ns.x + 'a' %}{% endfor %}{{"
            + " ns.x }} ~ aaa",
        "{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f('q') }} ~ <q>",
        "{{ messages[0]['content'] }}{{ bos_token[:3] }} ~ hi<｜b",
        "{{ 'it\\'s {{ not }} code' }} ~ it's {{ not }} code",
        "{# not a in b #}x ~ x"
      })
  void pythonSemantics(String template, String expected) {
    Map<String, Object> variables =
        Map.of("s", "a</t>b</t>c", "d", Map.of("k", "v"), "l", List.of(1, 2, 3));
    assertEquals(expected, render(template, variables));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "{{ raise_exception('roles must alternate') }} ~ roles must alternate",
        "{{ 'x' | nosuchfilter }} ~ nosuchfilter",
        "{% if 1 is nosuchtest %}{% endif %} ~ nosuchtest",
        "{{ nosuchfunction() }} ~ nosuchfunction",
        "{{ 'x'.nosuchmethod() }} ~ nosuchmethod",
        "{% if x ~ failed",
        "{% for x in %}{% endfor %} ~ 'for'",
        "{% for x of y %}{% endfor %} ~ 'for'",
        "{% if %}x{% endif %} ~ 'if'",
        "{{ }} ~ empty",
        "{{ 'abc'[::2] }} ~ failed",
        "{% nosuchtag %} ~ nosuchtag",
        "{{ strftime_now('%Q') }} ~ %Q"
      })
  void errorsAreNeverSilent(String template, String expected) {
    assertFails(
        HalErrorCode.CHAT_TEMPLATE_INVALID,
        () -> render(template, Map.of()),
        expected,
        "test",
        "remedy");
  }

  @Test
  void messageTextIsNeverEvaluated() {
    ChatTemplate t =
        ChatTemplate.of("{% for m in messages %}{{ m['content'] }}|{% endfor %}", "test", TOKENS);
    String hostile = "{{ 7 * 7 }}{% if true %}x{% endif %}{# c #}${7*7}#{7*7}\\n<b>'\"\n";
    assertEquals(
        hostile + "|" + hostile + "|",
        t.render(
            List.of(ChatMessage.user(hostile), ChatMessage.assistant(hostile)),
            ChatOptions.GENERATE));
  }

  @Test
  void trailingNewlineAndBlockWhitespace() {
    assertEquals("a", render("a\n", Map.of()));
    assertEquals("a\n", render("a\n\n", Map.of()));
    assertEquals(
        "x\n", render("  {% if true %}\nx\n  {% endif %}\n\n".replace("\n\n", "\n"), Map.of()));
  }

  @Test
  void messagesWithoutContentNeedToolCalls() {
    assertFails(
        HalErrorCode.INVALID_ARGUMENT,
        () -> new ChatMessage("user", Optional.empty(), List.of(), Map.of()),
        "user",
        "content");
    assertFails(HalErrorCode.INVALID_ARGUMENT, () -> ChatMessage.of(" ", "x"), "role");
  }

  @Test
  void templatesOfDirectories() throws IOException {
    ChatTemplate tiny = ChatTemplate.read(GoldenResources.directory("tokenizer-tiny"));
    assertEquals(
        "<｜begin▁of▁sentence｜>s<｜User｜>u<｜Assistant｜>",
        tiny.render(List.of(ChatMessage.system("s"), ChatMessage.user("u")), ChatOptions.GENERATE));
    assertTrue(ChatTemplate.find(temp).isEmpty());
    assertFails(
        HalErrorCode.CHAT_TEMPLATE_INVALID,
        () -> ChatTemplate.read(temp),
        "no chat template",
        "remedy");
    Path config = temp.resolve("tokenizer_config.json");
    Files.writeString(
        config,
        "{\"bos_token\": \"<s>\", \"chat_template\": [{\"name\": \"tool_use\", \"template\":"
            + " \"T\"}, {\"name\": \"default\", \"template\": \"{{ bos_token }}D\"}]}");
    assertEquals("<s>D", ChatTemplate.read(temp).render(List.of(), ChatOptions.GENERATE));
    Files.writeString(temp.resolve("chat_template.jinja"), "{{ bos_token }}J\n");
    assertEquals("<s>J", ChatTemplate.read(temp).render(List.of(), ChatOptions.GENERATE));
    Files.delete(temp.resolve("chat_template.jinja"));
    Files.writeString(config, "{\"chat_template\": 3}");
    assertFails(HalErrorCode.CHAT_TEMPLATE_INVALID, () -> ChatTemplate.read(temp), "chat_template");
    Files.writeString(config, "{");
    assertFails(
        HalErrorCode.CHAT_TEMPLATE_INVALID, () -> ChatTemplate.read(temp), "not valid JSON");
  }
}
