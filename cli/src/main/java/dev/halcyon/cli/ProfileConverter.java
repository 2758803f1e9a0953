package dev.halcyon.cli;

import dev.halcyon.conformance.Profile;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a profile by its name in lower case. */
final class ProfileConverter implements ITypeConverter<Profile> {
  @Override
  public Profile convert(String value) {
    return Arrays.stream(Profile.values())
        .filter(p -> name(p).equals(value))
        .findFirst()
        .orElseThrow(
            () -> new TypeConversionException("no profile '" + value + "': choose of " + names()));
  }

  static String name(Profile profile) {
    return profile.name().toLowerCase(Locale.ROOT);
  }

  private static List<String> names() {
    return Arrays.stream(Profile.values()).map(ProfileConverter::name).toList();
  }
}
