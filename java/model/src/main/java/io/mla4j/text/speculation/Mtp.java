package io.mla4j.text.speculation;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.model.Largest;
import io.mla4j.model.Predictor;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Guesses with the checkpoint's own layer for multi-token prediction: its likeliest token, then its
 * likeliest behind that one from the hidden state that it computed itself, and so on.
 *
 * <p>Row t of its cache needs the hidden state of token t and the token behind it, so the last
 * states wait for their tokens. Rows are of one stretch of the text without a gap; where a state is
 * missing, the stretch begins anew. (Rotations by distance alone do not mind where it begins.)
 */
public final class Mtp implements Guesser {
  /** States that may wait: of a pass with the most guesses, and of some plain ones before it. */
  private static final int WAITING = 32;

  /** The most of them whose rows are computed at once: a step of each number is made once. */
  private static final int PIECE = 16;

  /** Guesses of up to this probability have trust i. */
  private static final double[] BOUNDS = {0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97};

  private static final double[] EXPECTED = {0.15, 0.3, 0.45, 0.6, 0.72, 0.85, 0.93, 0.97};

  private final Predictor predictor;
  private final Device device;
  private final Arena arena = Arena.ofShared();
  private final LatentCache cache;
  private final Sequence sequence;
  private final int capacity;
  private final long rowBytes;

  /** (WAITING, hidden) states of the tokens from {@link #end} on. */
  private final Tensor waiting;

  private int waits;

  /** The token of the first row. */
  private int first;

  /** Rows of tokens of the text; behind them are those of guesses. */
  private int rows;

  /** What the next guess follows from; null where nothing is known. */
  private @Nullable Tensor state;

  private int last;
  private int trust;
  private final Largest largest = new Largest();

  /** Guesses for a text of up to {@code tokens} tokens. */
  public Mtp(Predictor predictor, int tokens) {
    this.predictor = predictor;
    this.device = predictor.device();
    this.rowBytes = (long) Float.BYTES * predictor.hidden();
    this.waiting =
        Tensor.of(
            device.allocate(WAITING * rowBytes, arena),
            StorageFormat.F32,
            WAITING,
            predictor.hidden());
    this.cache = predictor.newCache(tokens);
    this.sequence = cache.newSequence();
    this.capacity = cache.pages() * cache.pageSize();
  }

  @Override
  public boolean needsStates() {
    return true;
  }

  /** The token whose row comes next. */
  private int end() {
    return first + rows;
  }

  @Override
  public void computed(Tensor states, int position, int[] ids, int count) {
    forgetGuesses();
    if (position < first || position > end() + waits) {
      beginAnew(position);
    } else if (position < end()) {
      rows = position - first;
      sequence.truncate(rows);
    }
    waits = position - end();
    int n = (int) states.dim(0);
    int done = 0;
    if (waits + n > WAITING && n <= PIECE) {
      // Nobody has guessed for a while: what is never asked for is not computed.
      int gone = waits + n - WAITING;
      int stay = waits - gone;
      dropWaiting(gone);
      beginAnew(position - stay);
      waits = stay;
    } else if (waits + n > WAITING) {
      // A prompt: the tokens behind its states are known.
      run(waits, ids);
      int known = Math.min(n, count - 1 - position);
      if (known > 0 && rows + known <= capacity) {
        predictor.remember(
            sequence, states, Arrays.copyOfRange(ids, position + 1, position + 1 + known));
        rows += known;
        done = known;
      }
      if (n - done > WAITING) {
        done = n - WAITING;
        beginAnew(position + done);
      }
    }
    device.copy(
        states.segment(),
        done * rowBytes,
        waiting.segment(),
        waits * rowBytes,
        (n - done) * rowBytes);
    waits += n - done;
  }

  @Override
  public void begin(int[] ids, int count) {
    forgetGuesses();
    state = null;
    // States of tokens that were guessed wrongly are behind those of the text.
    int known = count - 1 - end();
    if (known < 1 || known > waits || rows + known > capacity) {
      return;
    }
    int before = known - 1;
    run(before, ids);
    state = waiting.first(1);
    last = ids[count - 1];
  }

  /** Runs the first {@code n} states that wait. */
  private void run(int n, int[] ids) {
    for (int i = 0; i < n; i += PIECE) {
      int piece = Math.min(PIECE, n - i);
      predictor.remember(sequence, waiting, Arrays.copyOfRange(ids, end() + 1, end() + 1 + piece));
      rows += piece;
      dropWaiting(piece);
    }
  }

  private void dropWaiting(int n) {
    waits -= n;
    for (int i = 0; i < waits; i++) {
      device.copy(waiting.segment(), (n + i) * rowBytes, waiting.segment(), i * rowBytes, rowBytes);
    }
  }

  @Override
  public int next() {
    if (state == null || sequence.length() == capacity) {
      return -1;
    }
    boolean isFirst = sequence.length() == rows;
    Tensor prediction = predictor.predict(sequence, state, last);
    if (isFirst) {
      // The row is that of a token of the text.
      rows++;
      dropWaiting(1);
    }
    state = prediction;
    last = likeliest(predictor.logits(prediction).segment());
    if (last < 0) {
      state = null;
    }
    return last;
  }

  /**
   * The likeliest token, and from its probability how far it is to be trusted; -1 where logits are
   * not finite, which is no reason for a text to end.
   */
  private int likeliest(MemorySegment logits) {
    int best = largest.find(logits);
    if (best < 0) {
      return best;
    }
    int n = (int) (logits.byteSize() / Float.BYTES);
    float most = logits.getAtIndex(JAVA_FLOAT, best);
    double total = 0;
    for (int i = 0; i < n; i++) {
      // What is less likely than e^-9 of the best changes no trust.
      float below = logits.getAtIndex(JAVA_FLOAT, i) - most;
      total += below > -9 ? Math.exp(below) : 0;
    }
    double probability = 1 / total;
    trust = 0;
    while (trust < BOUNDS.length && probability > BOUNDS[trust]) {
      trust++;
    }
    return best;
  }

  @Override
  public int trust() {
    return trust;
  }

  @Override
  public double expected(int kind) {
    return EXPECTED[kind];
  }

  @Override
  public void truncate(int length) {
    forgetGuesses();
    state = null;
    // The row of the last token that stays depends on one that is forgotten.
    if (length - 1 < end()) {
      if (length - 1 < first) {
        beginAnew(0);
      } else {
        rows = length - 1 - first;
        sequence.truncate(rows);
        waits = 0;
      }
    } else {
      waits = Math.min(waits, length - end());
    }
  }

  private void forgetGuesses() {
    if (sequence.length() > rows) {
      sequence.truncate(rows);
    }
  }

  private void beginAnew(int position) {
    sequence.truncate(0);
    first = position;
    rows = 0;
    waits = 0;
  }

  @Override
  public void close() {
    sequence.close();
    cache.close();
    arena.close();
  }
}
