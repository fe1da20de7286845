package io.mla4j.text.speculation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** The longest match, as one finds it by looking everywhere. */
class LookupTest {
  /** The place behind the longest, then latest match of at least two tokens; 0 for none. */
  private static int search(int[] ids, int count) {
    int best = 0;
    int longest = 1;
    for (int place = count - 1; place >= 2; place--) {
      int length = 0;
      while (length < Math.min(place, 64) && ids[place - 1 - length] == ids[count - 1 - length]) {
        length++;
      }
      if (length > longest) {
        longest = length;
        best = place;
      }
    }
    return best;
  }

  @Test
  void findsWhatASearchFindsHoweverTheTextGrowsAndShrinks() {
    Random random = new Random(3);
    int[] ids = new int[1500];
    Lookup lookup = new Lookup();
    int count = 0;
    for (int i = 0; i < 6000; i++) {
      if (count > 1200 || count > 5 && random.nextInt(40) == 0) {
        count -= random.nextInt(Math.min(count, 200));
        lookup.truncate(count);
      }
      if (count > 60 && random.nextInt(10) == 0) {
        // What is there comes again, so that there are long matches.
        int from = random.nextInt(count - 30);
        for (int k = 0; k < 20; k++) {
          ids[count++] = ids[from + k];
        }
      } else {
        ids[count++] = random.nextInt(60);
      }
      lookup.begin(ids, count);
      int place = search(ids, count);
      for (int k = 0; k < 5; k++) {
        int expected = place == 0 ? -1 : ids[place + k % (count - place)];
        assertEquals(expected, lookup.next(), "step " + i + ", guess " + k);
      }
    }
  }

  @Test
  void longerMatchesAreTrustedMore() {
    int[] ids = new int[400];
    int last = -1;
    for (int match = 2; match < 70; match++) {
      int count = 0;
      for (int k = 0; k < match; k++) {
        ids[count++] = 100 + k;
      }
      ids[count++] = 7;
      ids[count++] = 8;
      for (int k = 0; k < match; k++) {
        ids[count++] = 100 + k;
      }
      Lookup lookup = new Lookup();
      lookup.begin(ids, count);
      assertEquals(7, lookup.next());
      assertTrue(lookup.trust() >= last && lookup.trust() < Guesser.TRUSTS);
      last = lookup.trust();
    }
    assertEquals(Guesser.TRUSTS - 1, last);
  }
}
