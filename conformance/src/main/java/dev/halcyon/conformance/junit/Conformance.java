package dev.halcyon.conformance.junit;

import dev.halcyon.conformance.Profile;
import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** Names the device that a test class of {@link ConformanceTests} runs the kit on. */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
public @interface Conformance {
  /** URI of the device; its backend is found on the class path. */
  String value();

  /** What to run. */
  Profile profile() default Profile.QUICK;

  /** Which cases of the profile, as {@code halcyon conformance --filter}. */
  String query() default "*";

  /** How long a case may take. */
  int deadlineSeconds() default 120;
}
