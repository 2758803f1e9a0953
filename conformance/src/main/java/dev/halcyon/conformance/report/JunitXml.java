package dev.halcyon.conformance.report;

import java.io.StringWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import javax.xml.stream.XMLOutputFactory;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamWriter;

/**
 * {@code junit.xml}, as continuous integration systems read it: one suite per device and operator.
 * NOT_SUPPORTED, NOT_RUN and WAIVED cases are skipped with their reason.
 */
public final class JunitXml {
  private final XMLStreamWriter out;

  private JunitXml(XMLStreamWriter out) {
    this.out = out;
  }

  /** The report as a document. */
  public static String write(RunReport report) {
    StringWriter text = new StringWriter();
    try {
      XMLStreamWriter out = XMLOutputFactory.newInstance().createXMLStreamWriter(text);
      new JunitXml(out).suites(report);
      out.close();
    } catch (XMLStreamException e) {
      throw new IllegalStateException("writing to memory failed", e);
    }
    return text.toString();
  }

  private void suites(RunReport report) throws XMLStreamException {
    out.writeStartDocument("UTF-8", "1.0");
    out.writeStartElement("testsuites");
    out.writeAttribute("name", "halcyon conformance " + report.profile());
    for (DeviceReport device : report.devices()) {
      Map<String, List<CaseReport>> groups = new LinkedHashMap<>();
      for (CaseReport r : device.results()) {
        groups.computeIfAbsent(r.caseId().group(), p -> new ArrayList<>()).add(r);
      }
      for (Map.Entry<String, List<CaseReport>> g : groups.entrySet()) {
        suite(report, device, g.getKey(), g.getValue());
      }
      run(device);
    }
    out.writeEndElement();
    out.writeEndDocument();
  }

  private void suite(RunReport report, DeviceReport device, String path, List<CaseReport> cases)
      throws XMLStreamException {
    String name = device.device().uri() + " " + path;
    out.writeStartElement("testsuite");
    out.writeAttribute("name", text(name));
    out.writeAttribute("timestamp", report.begun().toString());
    counts(cases);
    for (CaseReport r : cases) {
      out.writeStartElement("testcase");
      out.writeAttribute("classname", text(name.replace('.', '_')));
      out.writeAttribute("name", text(r.id()));
      out.writeAttribute("time", seconds(r.time().toNanos()));
      switch (r.status()) {
        case PASS, WARN -> {}
        case FAIL -> problem("failure", r.reason(), report.reproduction(device, r.id()));
        case ERROR -> problem("error", r.reason(), report.reproduction(device, r.id()));
        case NOT_SUPPORTED, NOT_RUN -> skipped(r.status() + ": " + r.reason());
        case WAIVED -> skipped("WAIVED (" + r.issue().orElse("") + "): " + r.reason());
      }
      out.writeEndElement();
    }
    out.writeEndElement();
  }

  private void counts(List<CaseReport> cases) throws XMLStreamException {
    int failures = 0;
    int errors = 0;
    int skipped = 0;
    long nanos = 0;
    for (CaseReport r : cases) {
      nanos += r.time().toNanos();
      switch (r.status()) {
        case PASS, WARN -> {}
        case FAIL -> failures++;
        case ERROR -> errors++;
        case NOT_SUPPORTED, NOT_RUN, WAIVED -> skipped++;
      }
    }
    out.writeAttribute("tests", Integer.toString(cases.size()));
    out.writeAttribute("failures", Integer.toString(failures));
    out.writeAttribute("errors", Integer.toString(errors));
    out.writeAttribute("skipped", Integer.toString(skipped));
    out.writeAttribute("time", seconds(nanos));
  }

  /** What is wrong with the run as a whole, as cases of their own. */
  private void run(DeviceReport device) throws XMLStreamException {
    List<String[]> problems = new ArrayList<>();
    if (device.ending().kind() != Ending.Kind.COMPLETE) {
      problems.add(new String[] {"the run", device.ending().reason()});
    }
    device
        .waiverProblems()
        .forEach(p -> problems.add(new String[] {"waiver of line " + p.line(), p.text()}));
    if (problems.isEmpty()) {
      return;
    }
    String name = device.device().uri() + " run";
    out.writeStartElement("testsuite");
    out.writeAttribute("name", text(name));
    out.writeAttribute("tests", Integer.toString(problems.size()));
    out.writeAttribute("failures", Integer.toString(problems.size()));
    for (String[] p : problems) {
      out.writeStartElement("testcase");
      out.writeAttribute("classname", text(name));
      out.writeAttribute("name", text(p[0]));
      problem("failure", p[1], "");
      out.writeEndElement();
    }
    out.writeEndElement();
  }

  private void problem(String element, String message, String body) throws XMLStreamException {
    out.writeStartElement(element);
    out.writeAttribute("message", text(message));
    out.writeCharacters(text(body));
    out.writeEndElement();
  }

  private void skipped(String message) throws XMLStreamException {
    out.writeStartElement("skipped");
    out.writeAttribute("message", text(message));
    out.writeEndElement();
  }

  private static String seconds(long nanos) {
    return String.format(Locale.ROOT, "%.3f", nanos * 1e-9);
  }

  /** Without the characters that XML 1.0 cannot hold. */
  private static String text(String s) {
    return s.codePoints()
        .map(
            c ->
                c == '\t'
                        || c == '\n'
                        || c >= 0x20 && c <= 0xd7ff
                        || c >= 0xe000 && c <= 0xfffd
                        || c >= 0x10000
                    ? c
                    : 0xfffd)
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }
}
