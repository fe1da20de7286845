package io.mla4j.djl;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** The tests carry torch's library for one platform. */
final class Torch {
  private Torch() {}

  @Target(ElementType.TYPE)
  @Retention(RetentionPolicy.RUNTIME)
  @EnabledOnOs(value = OS.LINUX, architectures = "amd64")
  @interface Required {}
}
