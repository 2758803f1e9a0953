package dev.halcyon.architecture;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;

/**
 * The arrows between the modules, as docs/design.md section 2 draws them. This module sees every
 * other one at run time, so the rules hold over all classes of the product.
 */
class ArchitectureTest {
  private static final String HAL = "dev.halcyon.hal..";
  private static final String MODELS = "dev.halcyon.models..";
  private static final String BACKENDS = "dev.halcyon.backend..";
  private static final String CONFORMANCE = "dev.halcyon.conformance..";
  private static final String CLI = "dev.halcyon.cli..";

  /** Test-jars and test-classes folders are no part of the product. */
  private static final ImportOption PRODUCT_ONLY =
      location -> !location.contains("/test-classes/") && !location.contains("-tests.jar");

  private static JavaClasses product;

  @BeforeAll
  static void importProduct() {
    product = new ClassFileImporter().withImportOption(PRODUCT_ONLY).importPackages("dev.halcyon");
  }

  /** A rule over no classes passes, so each module must be seen. */
  @TestFactory
  Stream<DynamicTest> classesOfEveryModuleAreSeen() {
    return Stream.of(
            "dev.halcyon.hal",
            "dev.halcyon.models",
            "dev.halcyon.backend.cpu",
            "dev.halcyon.backend.opencl",
            "dev.halcyon.backend.emulated",
            "dev.halcyon.conformance",
            "dev.halcyon.cli")
        .map(
            name ->
                DynamicTest.dynamicTest(
                    name,
                    () ->
                        assertTrue(
                            product.stream().anyMatch(c -> isWithin(c, name)),
                            () -> "no class of " + name + " on the class path")));
  }

  @Test
  void everyClassBelongsToAModuleThatTheRulesKnow() {
    Set<String> strangers =
        product.stream()
            .filter(
                c ->
                    Stream.of("hal", "models", "backend", "conformance", "cli")
                        .noneMatch(module -> isWithin(c, "dev.halcyon." + module)))
            .map(JavaClass::getName)
            .collect(Collectors.toSet());
    assertEquals(Set.of(), strangers, "classes outside the packages of the modules");
  }

  @Test
  void halDependsOnTheJdkAndSlf4jAlone() {
    classes()
        .that()
        .resideInAPackage(HAL)
        .should()
        .onlyDependOnClassesThat()
        .resideInAnyPackage(HAL, "java..", "org.slf4j..")
        .check(product);
  }

  @Test
  void modelsNeverSeeABackend() {
    noClasses()
        .that()
        .resideInAPackage(MODELS)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(BACKENDS, CONFORMANCE, CLI)
        .check(product);
  }

  @Test
  void noBackendDependsOnAnother() {
    slices().matching("dev.halcyon.backend.(*)..").should().notDependOnEachOther().check(product);
  }

  @Test
  void backendsDependOnTheHalAlone() {
    noClasses()
        .that()
        .resideInAPackage(BACKENDS)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(MODELS, CONFORMANCE, CLI)
        .check(product);
  }

  @Test
  void conformanceNeverSeesABackend() {
    noClasses()
        .that()
        .resideInAPackage(CONFORMANCE)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(BACKENDS, CLI)
        .check(product);
  }

  @Test
  void commandFindsItsBackendsAtRunTimeOnly() {
    noClasses()
        .that()
        .resideInAPackage(CLI)
        .should()
        .dependOnClassesThat()
        .resideInAPackage(BACKENDS)
        .check(product);
  }

  @Test
  void pomOfTheHalDeclaresSlf4jAlone() throws Exception {
    assertEquals(
        List.of("org.slf4j:slf4j-api"),
        dependencies("hal-api").stream()
            .filter(d -> !d.scope().equals("test"))
            .map(Dependency::id)
            .toList());
  }

  @Test
  void pomsOfBackendsAndModelsNameNoOtherModuleButTheHal() throws Exception {
    List<String> modules = new ArrayList<>(List.of("models"));
    try (Stream<Path> folders = Files.list(root())) {
      folders
          .filter(f -> Files.exists(f.resolve("pom.xml")))
          .map(f -> f.getFileName().toString())
          .filter(name -> name.startsWith("backend-"))
          .forEach(modules::add);
    }
    assertTrue(modules.size() >= 3, () -> "found only " + modules);
    for (String module : modules) {
      assertEquals(
          List.of("dev.halcyon:hal-api"),
          dependencies(module).stream()
              .filter(d -> !d.scope().equals("test") && d.id().startsWith("dev.halcyon:"))
              .map(Dependency::id)
              .toList(),
          module);
    }
  }

  @Test
  void pomOfConformanceNamesTheHalAndTheModels() throws Exception {
    assertEquals(
        List.of("dev.halcyon:hal-api", "dev.halcyon:models"),
        dependencies("conformance").stream()
            .filter(d -> !d.scope().equals("test") && d.id().startsWith("dev.halcyon:"))
            .map(Dependency::id)
            .toList());
  }

  private static boolean isWithin(JavaClass type, String packageName) {
    return type.getPackageName().equals(packageName)
        || type.getPackageName().startsWith(packageName + ".");
  }

  private record Dependency(String id, String scope) {}

  /** What the pom of a module declares itself, without what it inherits. */
  private static List<Dependency> dependencies(String module) throws Exception {
    Element project =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(root().resolve(module).resolve("pom.xml").toFile())
            .getDocumentElement();
    List<Dependency> found = new ArrayList<>();
    for (Element list : children(project, "dependencies")) {
      for (Element dependency : children(list, "dependency")) {
        found.add(
            new Dependency(
                text(dependency, "groupId") + ":" + text(dependency, "artifactId"),
                text(dependency, "scope")));
      }
    }
    return found;
  }

  private static List<Element> children(Element parent, String name) {
    List<Element> found = new ArrayList<>();
    NodeList nodes = parent.getChildNodes();
    for (int i = 0; i < nodes.getLength(); i++) {
      Node node = nodes.item(i);
      if (node instanceof Element element && element.getTagName().equals(name)) {
        found.add(element);
      }
    }
    return found;
  }

  private static String text(Element parent, String name) {
    return children(parent, name).stream()
        .map(e -> e.getTextContent().strip())
        .findFirst()
        .orElse("");
  }

  /** The project's root: surefire sets {@code basedir} to this module's folder. */
  private static Path root() {
    return Path.of(System.getProperty("basedir", "")).toAbsolutePath().getParent();
  }
}
