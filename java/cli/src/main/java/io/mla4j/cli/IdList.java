package io.mla4j.cli;

import java.util.Arrays;
import java.util.stream.Collectors;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Token ids as they are typed: {@code 0,5,17}. */
record IdList(int[] ids) {
  /** The form that users type. */
  static String text(int[] ids) {
    return Arrays.stream(ids).mapToObj(Integer::toString).collect(Collectors.joining(","));
  }

  /** Reads the form that users type. */
  static final class Converter implements ITypeConverter<IdList> {
    @Override
    public IdList convert(String value) {
      String[] parts = value.split(",", -1);
      int[] ids = new int[parts.length];
      for (int i = 0; i < parts.length; i++) {
        try {
          ids[i] = Integer.parseInt(parts[i].strip());
        } catch (NumberFormatException e) {
          throw new TypeConversionException(
              "'" + parts[i] + "' is no id; ids are whole numbers separated by commas");
        }
        if (ids[i] < 0) {
          throw new TypeConversionException("id " + ids[i] + " is negative");
        }
      }
      return new IdList(ids);
    }
  }
}
