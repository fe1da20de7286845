package io.mla4j.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the program makes of a template that writes the tiles out. */
@Tag("any-length")
class UnrollTest {
  private static final Path UNROLL =
      Path.of(System.getProperty("mla4j.root"), "java/vector/src/main/tiles/Unroll.java");

  private static final String TEMPLATE =
      """
      package a.b;

      import java.util.List;
      import java.util.Objects;

      final class T {
        static final List<Record> TILES = List.of(new Sum(2, 1, HALF, true), new Sum(1, 3, ALL, false));

        enum Part {
          ALL {
            int of(int x, int i) {
              return x;
            }
          },
          HALF {
            int of(int x, int i) {
              return i == 0 ? x / 2 : x - 1;
            }
          };
        }

        record Sum(int rows, int columns, Part part, boolean checked) {
          void run(int[] m, int at, int unused, int n) {
            final int all = rows * columns;
            int[][] s = new int[rows][columns];
            for (int r = 0; r < rows; r++) {
              for (int c = 0; c < columns; c++) {
                s[r][c] = m[at + (r * columns + c) * 16];
              }
            }
            for (int i = 0; i < n; i += all) {
              for (int r = 0; r < rows; r++) {
                int x = part.of(m[i + r], r);
                s[r][0] += checked ? Objects.checkIndex(x, 3) : x;
              }
            }
            if (checked) {
              m[0] = s[rows - 1][0];
            } else {
              m[1] = twice(s[0][columns - 1] + 1);
            }
          }
        }

        static int twice(int x) {
          return 2 * x;
        }
      }
      """;

  private static final String UNROLLED =
      """
      package a.b;

      import java.util.Objects;

      /** Written by Unroll from the template of the same name, which says what the tiles do. */
      final class T {
        private T() {}

        /** Sum: {rows=2, columns=1, part=HALF, checked=true}. */
        static void sum2x1HalfChecked(int[] m, int at, int n) {
          int s0x0, s1x0;
          s0x0 = m[at];
          s1x0 = m[at + 16];
          for (int i = 0; i < n; i += 2) {
            {
              int x = (m[i] / 2);
              s0x0 += Objects.checkIndex(x, 3);
            }
            {
              int x = (m[i + 1] - 1);
              s1x0 += Objects.checkIndex(x, 3);
            }
          }
          m[0] = s1x0;
        }

        /** Sum: {rows=1, columns=3, part=ALL, checked=false}. */
        static void sum1x3All(int[] m, int at, int n) {
          int s0x0, s0x1, s0x2;
          s0x0 = m[at];
          s0x1 = m[at + 16];
          s0x2 = m[at + 32];
          for (int i = 0; i < n; i += 3) {
            {
              int x = m[i];
              s0x0 += x;
            }
          }
          m[1] = (2 * (s0x2 + 1));
        }
      }
      """;

  @TempDir private Path folder;

  @Test
  void loopsOverConstantsBecomeLinesAndArraysVariables() throws Exception {
    assertEquals("", unroll(TEMPLATE));
    assertEquals(UNROLLED, Files.readString(folder.resolve("out/a/b/T.java")));
  }

  @Test
  void aChoiceByWhatIsNotConstantIsNamed() throws Exception {
    String message = unroll(TEMPLATE.replace("if (checked)", "if (n == 3)"));
    assertTrue(message.endsWith("T.java:37: (n == 3) must be a constant\n"), message);
  }

  @Test
  void anElementOutsideOfAnArrayIsNamed() throws Exception {
    String message = unroll(TEMPLATE.replace("s[rows - 1]", "s[rows]"));
    assertTrue(
        message.endsWith("T.java:38: s[rows][0] is s2x0, which is no element of the array\n"),
        message);
  }

  /** What the program says. */
  private String unroll(String template) throws IOException, InterruptedException {
    Path file = Files.writeString(folder.resolve("T.java"), template);
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin/java").toString(),
                "-XX:TieredStopAtLevel=1",
                UNROLL.toString(),
                file.toString(),
                folder.resolve("out").toString())
            .redirectErrorStream(true)
            .start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(said.isEmpty() ? 0 : 1, process.waitFor(), said);
    return said;
  }
}
