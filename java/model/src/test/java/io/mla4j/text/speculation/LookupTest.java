package io.mla4j.text.speculation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** The longest match, as one finds it by looking everywhere. */
class LookupTest {
  /** How far before the end of the text the original of a copy goes on, 0 for none. */
  private int distance;

  /** Where the text was a copy last. */
  private int copied;

  /**
   * The place behind the longest, then latest match of at least two tokens, or behind the original
   * of a copy of at least eight that ended up to eight tokens before, where no match is longer than
   * there; 0 for none.
   */
  private int search(int[] ids, int count) {
    int best = 0;
    int longest = 1;
    for (int place = count - 1; place >= 2; place--) {
      int length = match(ids, count, place);
      if (length > longest) {
        longest = length;
        best = place;
      }
    }
    if (longest >= 8) {
      distance = count - best;
      copied = count;
    } else if (distance > 0
        && count - copied <= 8
        && (best == 0 || match(ids, count, count - distance) >= longest)) {
      best = count - distance;
    }
    return best;
  }

  private static int match(int[] ids, int count, int place) {
    int length = 0;
    while (length < Math.min(place, 64) && ids[place - 1 - length] == ids[count - 1 - length]) {
      length++;
    }
    return length;
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
        distance = count < copied ? 0 : distance;
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
  void aCopyGoesOnBehindAnEdit() {
    int[] ids = new int[60];
    for (int i = 0; i < 60; i++) {
      ids[i] = i < 30 ? i : i - 30;
    }
    Lookup lookup = new Lookup();
    lookup.begin(ids, 45);
    assertEquals(15, lookup.next());
    ids[45] = 1000;
    lookup.begin(ids, 46);
    assertEquals(16, lookup.next());
    assertEquals(0, lookup.trust());
    assertEquals(17, lookup.next());
    ids[46] = 1001;
    lookup.begin(ids, 47);
    assertEquals(17, lookup.next());
    lookup.truncate(40);
    ids[40] = 1000;
    lookup.begin(ids, 41);
    assertEquals(-1, lookup.next());
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
