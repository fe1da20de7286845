package io.mla4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.SequenceRows.Kind;
import io.mla4j.SequenceRows.Part;
import io.mla4j.cpu.ScalarBackend;
import io.mla4j.spi.Backend;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * A long life of a pool against a model in which a sequence is a list of numbers: sequences are
 * added to, forked, truncated, saved, loaded, closed, and share what they begin with. Ten thousand
 * operations; {@code -Dmla4j.lives=1000000} for more.
 */
class CacheLivesTest {
  private static final int OPERATIONS = Integer.getInteger("mla4j.lives", 10_000);
  private static final int PAGE = 4;

  /** So many sequences at once, most of them short. */
  private static final int SEQUENCES = Math.max(100, OPERATIONS / 100);

  private static final int PAGES = 3 * SEQUENCES;

  private final Random random = new Random(OPERATIONS);
  private final Device device = new ScalarBackend().open(new Backend.Options(1, null));
  private final LatentCache cache =
      LatentCache.builder(device)
          .layout(new LatentLayout(3, 2, CacheType.F32))
          .layers(2)
          .group(new LatentLayout(5, 0, CacheType.F32), 1)
          .pageSize(PAGE)
          .pages(PAGES)
          .build();
  private final PrefixCache prefixes = new PrefixCache(cache, cache.bytes() / 2);
  private final List<Life> live = new ArrayList<>();
  private final List<Part> parts =
      List.of(new Part(Kind.ROWS, 0, 0), new Part(Kind.ROWS, 0, 1), new Part(Kind.ROWS, 1, 0));
  private List<Integer> savedTokens = List.of();
  private final Map<Part, byte[]> saved = new HashMap<>();
  private int nextToken = 1;

  private record Life(Sequence real, List<Integer> tokens) {}

  @Test
  void noPageIsLostAndNoRowIsAnothers() throws IOException {
    save(new Life(cache.newSequence(), List.of()));
    for (int i = 0; i < OPERATIONS; i++) {
      act();
      if (i % (5 * SEQUENCES) == 0) {
        live.forEach(this::check);
        checkPages();
      }
    }
    live.forEach(this::check);
    live.forEach(life -> life.real.close());
    assertEquals(PAGES, cache.freePages() + prefixes.statistics().pages());
    assertTrue(prefixes.statistics().tokensShared() > 0);
    assertTrue(OPERATIONS < 1000 || prefixes.statistics().pagesGivenUp() > 0);
    prefixes.close();
    assertEquals(PAGES, cache.freePages());
    cache.close();
    device.close();
  }

  private void act() throws IOException {
    int choice = random.nextInt(20);
    if (live.isEmpty() || choice < 2 && live.size() < SEQUENCES) {
      live.add(new Life(cache.newSequence(), new ArrayList<>()));
      return;
    }
    int index = random.nextInt(live.size());
    Life life = live.get(index);
    switch (choice) {
      case 2, 3 -> addIfRoom(new Life(life.real.fork(), new ArrayList<>(life.tokens)));
      case 4, 5 -> {
        int length = random.nextInt(life.tokens.size() + 1);
        life.real.truncate(length);
        life.tokens.subList(length, life.tokens.size()).clear();
      }
      case 6, 7 -> {
        check(life);
        life.real.close();
        live.remove(index);
      }
      case 8 -> save(life);
      case 9 -> load();
      case 10, 11 -> {
        int whole = life.tokens.size() / PAGE * PAGE;
        prefixes.publish(life.real, "", ids(life.tokens.subList(0, whole)));
        check(life);
      }
      case 12, 13, 14 -> share(life);
      default -> append(life, random.nextInt(choice == 15 ? 40 : 6));
    }
  }

  private void addIfRoom(Life life) {
    check(life);
    if (live.size() < SEQUENCES) {
      live.add(life);
    } else {
      life.real.close();
    }
  }

  private void append(Life life, int count) {
    try (Step step = Batch.of(life.real).reserve(count)) {
      for (int t = 0; t < count; t++) {
        write(life.real, life.tokens.size() + t, nextToken + t);
      }
      if (random.nextInt(8) > 0) {
        step.commit();
        for (int t = 0; t < count; t++) {
          life.tokens.add(nextToken++);
        }
      }
    } catch (CacheFullException e) {
      int length = life.tokens.size();
      int copy = length % PAGE == 0 ? 0 : 1;
      int needed = Math.ceilDiv(length + count, PAGE) - Math.ceilDiv(length, PAGE) + copy;
      assertTrue(needed > PAGES - pagesOfSequences().cardinality(), e.getMessage());
    }
    check(life);
  }

  private void share(Life origin) {
    List<Integer> tokens = new ArrayList<>(origin.tokens);
    if (!tokens.isEmpty() && random.nextBoolean()) {
      tokens.set(random.nextInt(tokens.size()), -1);
    }
    Sequence sequence = cache.newSequence();
    int known = prefixes.share(sequence, "", ids(tokens));
    assertEquals(0, known % PAGE);
    addIfRoom(new Life(sequence, new ArrayList<>(tokens.subList(0, known))));
  }

  private void save(Life life) throws IOException {
    SequenceRows rows = SequenceRows.of(life.real);
    savedTokens = List.copyOf(life.tokens);
    for (Part part : parts) {
      byte[] bytes = new byte[(int) (rows.tokens() * rows.tokenBytes(part))];
      int[] at = {0};
      rows.read(
          part,
          block -> {
            MemorySegment.copy(block, 0, MemorySegment.ofArray(bytes), at[0], block.byteSize());
            at[0] += (int) block.byteSize();
          });
      assertEquals(bytes.length, at[0]);
      saved.put(part, bytes);
    }
  }

  private void load() throws IOException {
    int free = cache.freePages() + prefixes.statistics().pages();
    boolean fails = random.nextInt(4) == 0;
    try {
      Sequence sequence =
          SequenceRows.load(
              cache,
              savedTokens.size(),
              rows -> {
                for (Part part : parts) {
                  int[] at = {0};
                  rows.write(
                      part,
                      block -> {
                        MemorySegment.copy(
                            MemorySegment.ofArray(saved.get(part)),
                            at[0],
                            block,
                            0,
                            block.byteSize());
                        at[0] += (int) block.byteSize();
                      });
                }
                if (fails) {
                  throw new IOException("the disk is gone");
                }
              });
      addIfRoom(new Life(sequence, new ArrayList<>(savedTokens)));
    } catch (CacheFullException e) {
      assertEquals(free, cache.freePages() + prefixes.statistics().pages());
    } catch (IOException e) {
      assertTrue(fails);
    }
  }

  private static int[] ids(List<Integer> tokens) {
    return tokens.stream().mapToInt(Integer::intValue).toArray();
  }

  private static int value(int token, Part part) {
    return token * 8 + part.group() * 4 + part.layer();
  }

  private MemorySegment row(Sequence sequence, int position, Part part) {
    RowGroup group = cache.group(part.group());
    long stride = group.params().layout().rowStrideBytes();
    long at = sequence.page(position / PAGE) * group.params().pageStrideBytes();
    return group.base(part.layer()).asSlice(at + position % PAGE * stride, stride);
  }

  private void write(Sequence sequence, int position, int token) {
    for (Part part : parts) {
      row(sequence, position, part).set(ValueLayout.JAVA_INT, 0, value(token, part));
    }
  }

  private void check(Life life) {
    assertEquals(life.tokens.size(), life.real.length());
    for (int i = 0; i < life.tokens.size(); i++) {
      for (Part part : parts) {
        assertEquals(
            value(life.tokens.get(i), part), row(life.real, i, part).get(ValueLayout.JAVA_INT, 0));
      }
    }
  }

  private BitSet pagesOfSequences() {
    BitSet used = new BitSet();
    for (Life life : live) {
      for (int i = 0; i < Math.ceilDiv(life.tokens.size(), PAGE); i++) {
        used.set(life.real.page(i));
      }
    }
    return used;
  }

  private void checkPages() {
    int used = pagesOfSequences().cardinality();
    int remembered = prefixes.statistics().pages();
    assertTrue(PAGES - cache.freePages() >= Math.max(used, remembered));
    assertTrue(PAGES - cache.freePages() <= used + remembered);
  }
}
